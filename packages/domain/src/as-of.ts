import type { Duration, Millis } from './time.js';

/**
 * How far events have been processed: everything that live publishers recorded up to `asOf` is
 * committed or refused. Silence is measured against it, so an outage is never taken for silence.
 */
export interface AsOf {
  readonly asOf: Millis;
  /**
   * When `asOf` last moved, or was last found to wait for refused clients, by the database's clock;
   * `null`: never, the database is new.
   */
  readonly movedAt: Millis | null;
  /**
   * Since when a stalled pipeline is whole again and waits for refused clients; else `null`. It may
   * lie ahead, where something is known to be missing: then the wait is longer by that.
   */
  readonly heldSince: Millis | null;
}

/** A process that puts events, or the worker's own ticks, on the queue. */
export interface Publisher {
  readonly id: string;
  /** A worker ticks through the queue itself: where its ticks are is how far the queue is worked off. */
  readonly kind: 'app' | 'worker';
  /** Everything that it recorded up to here is committed or refused. */
  readonly through: Millis;
  /** When it last renewed its lease, through the queue or in the database. */
  readonly heardAt: Millis;
  /** Since when something later than `through` is settled, but not what comes next; else `null`. */
  readonly gapSince: Millis | null;
}

export interface AsOfPolicy {
  /** How long after its last sign of life an app is waited for. */
  readonly appLease: Duration;
  /** The same for a worker; what a dead one held is delivered again to another. */
  readonly workerLease: Duration;
  /** How long a gap may last, once all that was in the queue has been worked off, until it is lost. */
  readonly lostAfter: Duration;
  /** A standstill longer than this is a stall: clients may have been refused meanwhile. */
  readonly stallAfter: Duration;
  /** How long after a stall clients get to speak before anybody is called silent. */
  readonly hold: Duration;
  /** The same at least where somebody has been given up for a gap: more may be missing. */
  readonly holdAfterLoss: Duration;
  /** How far behind the database's clock a whole pipeline may be: skewed publishers are. */
  readonly wholeWithin: Duration;
}

export const APP_LEASE: Duration = 60_000;
export const WORKER_LEASE: Duration = 8_000;

export function asOfPolicy(heartbeatInterval: Duration, maxClockSkew: Duration): AsOfPolicy {
  const [lostAfter, wholeWithin] = [30_000, maxClockSkew + 2_000];
  return {
    appLease: APP_LEASE,
    workerLease: WORKER_LEASE,
    lostAfter,
    stallAfter: 10_000,
    hold: heartbeatInterval + 5_000,
    holdAfterLoss: lostAfter + wholeWithin,
    wholeWithin,
  };
}

/** Those that as-of waits for, those that it does not wait for any more, and why. */
export interface Publishers {
  readonly live: readonly Publisher[];
  readonly gone: readonly Publisher[];
  /** Of those that are gone: they would be waited for if they said a word. */
  readonly silent: readonly Publisher[];
}

/**
 * Splits publishers into those still waited for and those given up. A worker renews its lease in
 * the database, against whose clock it is judged. An app may be heard through the queue alone, so
 * its silence is measured against how far the queue has been worked off: a backlog that still
 * holds its messages does not make it dead.
 *
 * What a queue held when it was deleted never comes, and leaves a gap. An app's counts as lost
 * when the queue has been worked off, by every worker, to well after the gap was seen: a message
 * that is still held by anyone, for a locked row say, keeps that worker from saying so. Whoever is
 * given up learns of it when it renews its lease, and begins anew.
 */
export function livePublishers(
  publishers: readonly Publisher[],
  now: Millis,
  policy: AsOfPolicy,
): Publishers {
  const isLive = (worker: Publisher) =>
    now - worker.heardAt <= policy.workerLease && !isLost(worker, now, policy);
  const workers = publishers.filter((one) => one.kind === 'worker' && isLive(one));
  const workedOff = leastThrough(workers) ?? Number.NEGATIVE_INFINITY;
  const hasLost = (one: Publisher) => isLost(one, one.kind === 'app' ? workedOff : now, policy);
  const live = publishers.filter((one) => {
    if (one.kind === 'worker') return isLive(one);
    return workedOff - one.heardAt <= policy.appLease && !hasLost(one);
  });
  const gone = publishers.filter((one) => !live.includes(one));
  return { live, gone, silent: gone.filter((one) => !hasLost(one)) };
}

function isLost({ gapSince }: Publisher, reached: Millis, policy: AsOfPolicy): boolean {
  return gapSince !== null && reached - gapSince > policy.lostAfter;
}

/** The next as-of, given the publishers of `now` (the database's clock). */
export function advanceAsOf(
  current: AsOf,
  { live, gone, silent }: Publishers,
  now: Millis,
  policy: AsOfPolicy,
): AsOf {
  if (gone.length > silent.length) return lossFound(current, now, policy);
  const reached = leastThrough(live);
  if (reached === undefined || reached <= current.asOf) return current;
  const moved: AsOf = { asOf: reached, movedAt: now, heldSince: null };
  const { heldSince, movedAt } = current;
  const stalled = now - (movedAt ?? now) > policy.stallAfter;
  if (heldSince === null && !stalled) return moved;
  if (now - reached > policy.wholeWithin) return stillStalled(current, now, policy);
  // Of a hold, that nobody was there meanwhile: clients have not had their turn.
  if (heldSince === null || stalled) {
    return { ...current, movedAt: now, heldSince: Math.max(now, heldSince ?? now) };
  }
  return now - heldSince >= policy.hold ? moved : { ...current, movedAt: now };
}

/**
 * What a queue held is lost, or lies in one of several that has lost its workers: nobody can say how
 * far that one is worked off. Then whoever begins anew soon has a gap again, and until that is as old
 * as a whole pipeline may be behind it looks as if all were well: so it is looked at for longer.
 */
function lossFound(current: AsOf, now: Millis, { hold, holdAfterLoss }: AsOfPolicy): AsOf {
  return { ...current, movedAt: now, heldSince: now + Math.max(0, holdAfterLoss - hold) };
}

/** However lately it looked as if the stall were over: as-of has stood since before it. */
function stillStalled({ asOf }: AsOf, now: Millis, { stallAfter }: AsOfPolicy): AsOf {
  return { asOf, movedAt: Math.min(asOf, now - stallAfter - 1), heldSince: null };
}

function leastThrough(publishers: readonly Publisher[]): Millis | undefined {
  if (publishers.length === 0) return undefined;
  return Math.min(...publishers.map(({ through }) => through));
}
