import type { Duration, Millis } from './time.js';

/**
 * How far events have been processed: everything that live publishers recorded up to `asOf` is
 * committed or refused. Silence is measured against it, so an outage is never taken for silence.
 */
export interface AsOf {
  readonly asOf: Millis;
  /** When `asOf` last moved, by the database's clock. */
  readonly movedAt: Millis;
  /** Since when a stalled pipeline is whole again and waits for refused clients; else `null`. */
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
}

export interface AsOfPolicy {
  /** How long after its last sign of life an app is waited for. */
  readonly appLease: Duration;
  /** The same for a worker; what a dead one held is delivered again to another. */
  readonly workerLease: Duration;
  /** A standstill longer than this is a stall: clients may have been refused meanwhile. */
  readonly stallAfter: Duration;
  /** How long after a stall clients get to speak before anybody is called silent. */
  readonly hold: Duration;
  /** How far behind the database's clock a whole pipeline may be: skewed publishers are. */
  readonly wholeWithin: Duration;
}

export const APP_LEASE: Duration = 60_000;
export const WORKER_LEASE: Duration = 8_000;

export function asOfPolicy(heartbeatInterval: Duration, maxClockSkew: Duration): AsOfPolicy {
  return {
    appLease: APP_LEASE,
    workerLease: WORKER_LEASE,
    stallAfter: 10_000,
    hold: heartbeatInterval + 5_000,
    wholeWithin: maxClockSkew + 2_000,
  };
}

/**
 * Splits publishers into those still waited for and those given up. A worker renews its lease in
 * the database, against whose clock it is judged. An app may be heard through the queue alone, so
 * its silence is measured against how far the queue has been worked off: a backlog that still
 * holds its messages does not make it dead.
 */
export function livePublishers(
  publishers: readonly Publisher[],
  now: Millis,
  policy: AsOfPolicy,
): { live: Publisher[]; gone: Publisher[] } {
  const workers = publishers.filter(({ kind }) => kind === 'worker');
  const liveWorkers = workers.filter(({ heardAt }) => now - heardAt <= policy.workerLease);
  const workedOff = leastThrough(liveWorkers);
  const live: Publisher[] = [...liveWorkers];
  const gone = workers.filter((worker) => !liveWorkers.includes(worker));
  for (const app of publishers) {
    if (app.kind === 'worker') continue;
    const lapsed = workedOff !== undefined && workedOff - app.heardAt > policy.appLease;
    (lapsed ? gone : live).push(app);
  }
  return { live, gone };
}

/** The next as-of, given the publishers that live at `now` (the database's clock). */
export function advanceAsOf(
  current: AsOf,
  live: readonly Publisher[],
  now: Millis,
  policy: AsOfPolicy,
): AsOf {
  const reached = leastThrough(live);
  if (reached === undefined || reached <= current.asOf) return current;
  const moved: AsOf = { asOf: reached, movedAt: now, heldSince: null };
  const stalled = current.heldSince !== null || now - current.movedAt > policy.stallAfter;
  if (!stalled) return moved;
  if (now - reached > policy.wholeWithin) return { ...current, heldSince: null };
  const heldSince = current.heldSince ?? now;
  return now - heldSince >= policy.hold ? moved : { ...current, heldSince };
}

function leastThrough(publishers: readonly Publisher[]): Millis | undefined {
  if (publishers.length === 0) return undefined;
  return Math.min(...publishers.map(({ through }) => through));
}
