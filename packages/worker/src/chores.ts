import { setTimeout as delay } from 'node:timers/promises';
import type {
  ChangeOutbox,
  ChangePublisher,
  DeadLetterPublisher,
  Duration,
  PresenceStore,
  RefusedEvent,
  SessionStore,
} from '@presence/domain';
import type { Logger } from './logger.js';
import type { Loop, LoopSettings } from './loop.js';
import type { WorkerMetrics } from './metrics.js';
import type { SharedClock } from './shared-clock.js';

export interface ChoreParts {
  readonly store: PresenceStore;
  readonly sessions: Pick<SessionStore, 'endExpired'>;
  readonly outbox: ChangeOutbox;
  readonly changes: ChangePublisher;
  readonly deadLetters: DeadLetterPublisher;
  readonly metrics: WorkerMetrics;
  readonly logger: Logger;
  readonly clock: SharedClock;
}

/** Makes the loop of a job, in the order of {@link LoopSettings}. */
export type LoopMaker = (
  name: string,
  interval: LoopSettings['interval'],
  job: () => Promise<unknown>,
) => Loop;

/** Rows a sweep locks at once: short enough for heartbeats not to notice. */
const SWEEP_ROWS = 1_000;
/**
 * From the begin of one sweep to the next, of all workers: 11,900 users a second, where 10,000 are
 * promised. As fast as they could, sweeps took the processor from heartbeats and announcements.
 */
const SWEEP_TURN: Duration = 84;
const TURN_AWAITED: Duration = 10;
const RELAYED_CHANGES = 1_000;
/** Few: where the broker does not confirm one of them, all are dead-lettered again. */
const BURIED_EVENTS = 100;
/**
 * Changes that wait for a broker that stays away: some hundred bytes each, so a gigabyte at the
 * most. The oldest of more are dropped.
 */
const MOST_CHANGES = 5_000_000;
const EXPIRED_SESSIONS = 500;
const PRUNED_SESSIONS = 10_000;

/** What falls due in the database, whatever the queue holds: each by any number of workers. */
export class Chores {
  readonly loops: readonly Loop[];
  readonly #parts: ChoreParts;
  readonly #relay: Loop;
  readonly #sweeping: Loop;
  readonly #deferred: Loop;
  readonly #burial: Loop;
  #stopping = false;

  /** @param everySeconds an interval of so many seconds, which ends as one of the clock begins */
  constructor(parts: ChoreParts, loop: LoopMaker, everySeconds: (count: number) => () => Duration) {
    this.#parts = parts;
    this.#relay = loop('relay', undefined, () => this.#relayChanges());
    this.#sweeping = loop('sweep', undefined, () => this.#sweep());
    this.#deferred = loop('deferred', undefined, () => this.#applyDeferred());
    this.#burial = loop('burial', undefined, () => this.#buryRefused());
    this.loops = [
      this.#relay,
      this.#sweeping,
      this.#deferred,
      this.#burial,
      loop('due', everySeconds(1), () => this.#look()),
      loop('trim', everySeconds(60), () => this.#trimOutbox()),
      loop('counts', everySeconds(5), () => parts.store.foldCounts()),
      loop('expired sessions', everySeconds(10), () => this.#endExpiredSessions()),
      loop('prune', everySeconds(600), () => this.#prune()),
    ];
  }

  /** There may be changes to send on. */
  wakeRelay(): void {
    this.#relay.wake();
  }

  /** What is done by pieces ends with the one in hand. */
  stop(): void {
    this.#stopping = true;
  }

  /** Where it cannot be seen together what is due, each job sees for itself: one may still be able. */
  async #look(): Promise<void> {
    try {
      const { changes, deferred, refused, silent } = await this.#parts.store.due();
      if (changes) this.#relay.wake();
      if (deferred) this.#deferred.wake();
      if (refused) this.#burial.wake();
      if (silent) this.#sweeping.wake();
    } catch (error) {
      for (const loop of [this.#relay, this.#deferred, this.#burial, this.#sweeping]) loop.wake();
      throw error;
    }
  }

  async #relayChanges(): Promise<void> {
    const { outbox, changes, metrics } = this.#parts;
    let relayed = RELAYED_CHANGES;
    while (relayed >= RELAYED_CHANGES && !this.#stopping) {
      relayed = await outbox.relay(RELAYED_CHANGES, (batch) => changes.publish(batch));
      if (relayed > 0) metrics.relayed(relayed);
    }
  }

  async #trimOutbox(): Promise<void> {
    const { outbox, metrics, logger } = this.#parts;
    const dropped = await outbox.trim(MOST_CHANGES);
    if (dropped === 0) return;
    metrics.dropped(dropped);
    logger.error({ changes: dropped }, 'Too many changes wait for the broker: the oldest are lost');
  }

  async #applyDeferred(): Promise<void> {
    if ((await this.#parts.store.applyDeferred()) > 0) this.wakeRelay();
  }

  /** By itself: what the database takes does not wait for a broker that is slow to confirm. */
  async #buryRefused(): Promise<void> {
    const { store, metrics } = this.#parts;
    let buried = BURIED_EVENTS;
    while (buried >= BURIED_EVENTS && !this.#stopping) {
      const reasons = await store.buryRefused(BURIED_EVENTS, (refused) => this.#bury(refused));
      for (const reason of reasons) metrics.refused(reason, 1);
      buried = reasons.length;
    }
  }

  /** Told one by one: it may be a login or a logout that was answered as pending. */
  async #bury(refused: readonly RefusedEvent[]): Promise<void> {
    await this.#parts.deadLetters.publish(refused);
    for (const { event, reason } of refused) {
      const { userId, type, occurredAt } = event;
      const facts = { userId, type, occurredAt: new Date(occurredAt), reason };
      this.#parts.logger.error(facts, 'The database refuses an event that had been deferred');
    }
  }

  /** Whoever has the turn goes on until no more are due; the others leave it to that one. */
  async #sweep(): Promise<void> {
    let mine = false;
    while (!this.#stopping) {
      const swept = await this.#parts.store.sweep(SWEEP_ROWS, SWEEP_TURN);
      if (swept) this.#announceSwept(swept);
      mine ||= swept !== null;
      if (!mine || (swept !== null && swept < SWEEP_ROWS)) return;
      await delay(TURN_AWAITED);
    }
  }

  #announceSwept(swept: number): void {
    this.#parts.metrics.swept(swept);
    this.wakeRelay();
  }

  async #prune(): Promise<void> {
    let pruned = PRUNED_SESSIONS;
    while (pruned === PRUNED_SESSIONS && !this.#stopping) {
      pruned = await this.#parts.store.prune(PRUNED_SESSIONS);
    }
  }

  async #endExpiredSessions(): Promise<void> {
    const { sessions, clock } = this.#parts;
    let ended = EXPIRED_SESSIONS;
    while (ended === EXPIRED_SESSIONS && !this.#stopping) {
      const now = clock.earliest;
      ended = now === undefined ? 0 : await sessions.endExpired(EXPIRED_SESSIONS, now);
    }
  }
}
