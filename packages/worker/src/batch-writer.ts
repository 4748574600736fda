import type {
  CommittedStatus,
  Delivery,
  Duration,
  Millis,
  PresenceStore,
  UserId,
  Verdict,
} from '@presence/domain';
import { applyBatch } from './apply-batch.js';
import { Batch, type Outcome } from './batch.js';
import { HeldDelivery, type HeldEvent } from './held-delivery.js';
import type { Logger } from './logger.js';
import type { WorkerMetrics } from './metrics.js';
import { type RetrySettings, whileUnavailable } from './retry.js';
import type { UserResolver } from './user-resolver.js';

export interface BatchSettings {
  /** A flush begins once this many events are held … */
  readonly maxUsers: number;
  /** … or the oldest has waited this long; at once for an event whose sender waits. */
  readonly maxWait: Duration;
}

export interface BatchWriterParts {
  readonly store: PresenceStore;
  readonly users: UserResolver;
  readonly metrics: WorkerMetrics;
  readonly logger: Logger;
  readonly now: () => Millis;
  /** Called after a commit that may have put changes into the outbox. */
  readonly onCommit: () => void;
}

/**
 * How often the database is tried again. The worker hands back what is held when the database stays
 * away (see `HOLD_ON` in worker.ts); the bound here only keeps a batch from outliving RabbitMQ's
 * consumer timeout of 30 minutes whatever happens.
 */
const RETRY: RetrySettings = { first: 100, longest: 2_000, giveUpAfter: 600_000 };

/** How often rows that somebody else has locked are looked at again. */
const LOCKED_RETRY: Duration = 500;

/**
 * Gathers deliveries, folds their events by user, and writes each batch in one transaction. Only
 * then do the deliveries get their verdict, so whatever is killed meanwhile is delivered again.
 * One flush runs at a time; what arrives meanwhile makes up the next.
 */
export class BatchWriter {
  readonly #parts: BatchWriterParts;
  readonly #settings: BatchSettings;
  /** Aborted: the database is waited for no longer. */
  #patience = new AbortController();
  /** In order of receipt. */
  readonly #unsettled = new Set<HeldDelivery>();
  #queue: HeldDelivery[] = [];
  #queuedEvents = 0;
  #urgent = false;
  #closing = false;
  #locked: HeldEvent[] = [];
  #timer: NodeJS.Timeout | undefined;
  #flushing: Promise<void> | undefined;

  constructor(parts: BatchWriterParts, settings: BatchSettings) {
    this.#parts = parts;
    this.#settings = settings;
  }

  /** Since when the oldest delivery without a verdict is held; `null` when there is none. */
  get oldestHeld(): Millis | null {
    const [oldest] = this.#unsettled;
    return oldest?.receivedAt ?? null;
  }

  handle(delivery: Delivery): Promise<Verdict> {
    const held = new HeldDelivery(delivery, this.#parts.now());
    this.#unsettled.add(held);
    this.#queue.push(held);
    this.#queuedEvents += delivery.events.length;
    this.#urgent ||= delivery.urgent;
    this.#schedule();
    return held.verdict;
  }

  /** Flushes what is held, hands back what cannot be written, and takes nothing more. */
  async close(timeout: Duration): Promise<void> {
    const deadline = setTimeout(() => this.#patience.abort(), timeout);
    this.#closing = true;
    clearTimeout(this.#timer);
    while (this.#flushing) await this.#flushing;
    while (this.#queue.length > 0 && !this.#patience.signal.aborted) await this.#flush();
    clearTimeout(deadline);
    this.#patience.abort();
    this.#handBack([...this.#unsettled]);
  }

  /** Hands back all that is held: the database cannot be reached from here, but maybe by others. */
  async handBack(): Promise<void> {
    this.#patience.abort();
    clearTimeout(this.#timer);
    this.#timer = undefined;
    while (this.#flushing) await this.#flushing;
    this.#queue = [];
    this.#queuedEvents = 0;
    this.#urgent = false;
    this.#locked = [];
    this.#handBack([...this.#unsettled]);
    if (!this.#closing) this.#patience = new AbortController();
  }

  #schedule(): void {
    if (this.#flushing || this.#closing || this.#patience.signal.aborted) return;
    const isDue = this.#urgent || this.#queuedEvents >= this.#settings.maxUsers;
    if (isDue) this.#flushSoon(0);
    else if (this.#queue.length > 0) this.#flushSoon(this.#settings.maxWait);
    else if (this.#locked.length > 0) this.#flushSoon(LOCKED_RETRY);
  }

  #flushSoon(wait: Duration): void {
    if (wait === 0) {
      clearTimeout(this.#timer);
      this.#timer = undefined;
      this.#begin();
      return;
    }
    this.#timer ??= setTimeout(() => {
      this.#timer = undefined;
      this.#begin();
    }, wait);
  }

  #begin(): void {
    if (this.#flushing) return;
    this.#flushing = this.#flush().finally(() => {
      this.#flushing = undefined;
      this.#schedule();
    });
  }

  async #flush(): Promise<void> {
    const queued = this.#take();
    const waiting = this.#locked;
    if (queued.length + waiting.length === 0) return;
    const begun = performance.now();
    try {
      const { batch, locked } = await this.#gather(queued, waiting);
      const outcome = await this.#write(batch, locked);
      this.#locked = [
        ...waiting.filter(({ userId }) => locked.has(userId)),
        ...batch.conclude(outcome),
      ];
      await this.#settle(batch);
      this.#parts.onCommit();
      this.#measure(batch, performance.now() - begun);
    } catch (error) {
      this.#parts.logger.error({ err: error }, 'A batch could not be written; it is handed back');
      this.#locked = [];
      this.#handBack([...queued, ...waiting.map(({ held }) => held)]);
    }
  }

  /** Whole deliveries, oldest first, until they hold enough events. */
  #take(): HeldDelivery[] {
    let events = 0;
    const end = this.#queue.findIndex(({ delivery }) => {
      events += delivery.events.length;
      return events >= this.#settings.maxUsers;
    });
    const taken = end === -1 ? this.#queue.splice(0) : this.#queue.splice(0, end + 1);
    this.#queuedEvents -= events;
    this.#urgent = this.#queue.some(({ delivery }) => delivery.urgent);
    return taken;
  }

  /** The next batch, and of the users that were locked at the last look those who still are. */
  async #gather(
    queued: readonly HeldDelivery[],
    waiting: readonly HeldEvent[],
  ): Promise<{ batch: Batch; locked: ReadonlySet<UserId> }> {
    const { users, store } = this.#parts;
    const reported = queued.flatMap(({ delivery }) => delivery.events);
    const userIdOf = await this.#persist(() => users.resolver(reported));
    const userIds = [...new Set(waiting.map(({ userId }) => userId))];
    const free = userIds.length > 0 ? await this.#persist(() => store.unlocked(userIds)) : null;
    const batch = new Batch();
    for (const held of queued) batch.add(held, userIdOf);
    for (const event of waiting) if (free?.has(event.userId)) batch.addLocked(event);
    return { batch, locked: new Set(userIds.filter((userId) => !free?.has(userId))) };
  }

  async #write(batch: Batch, locked: ReadonlySet<UserId>): Promise<Outcome> {
    const { users, store } = this.#parts;
    const outcome = await this.#persist(() => applyBatch(store, batch, locked));
    const created = await this.#persist(() => users.createUnknown(batch.events, outcome.refused));
    return created ? this.#persist(() => applyBatch(store, batch, outcome.locked)) : outcome;
  }

  async #settle(batch: Batch): Promise<void> {
    const complete = [...batch.held].filter(({ locked }) => locked === 0);
    const awaited = batch.events.filter(({ held }) => held.delivery.urgent && held.locked === 0);
    const current = await this.#current(awaited);
    for (const held of complete) {
      this.#unsettled.delete(held);
      held.settle(current.get(held) ?? null);
      for (const { reason } of held.refusals) this.#parts.metrics.refused(reason, 1);
    }
  }

  /** What the database now says to those who wait for it; nothing to those who were refused. */
  async #current(
    awaited: readonly HeldEvent[],
  ): Promise<ReadonlyMap<HeldDelivery, CommittedStatus>> {
    if (awaited.length === 0) return new Map();
    const userIds = awaited.map(({ userId }) => userId);
    const statuses = await this.#persist(() => this.#parts.store.current(userIds));
    return new Map(
      awaited.flatMap(({ held, userId }) => {
        const status = statuses.get(userId);
        return status && held.refusals.length === 0 ? [[held, status] as const] : [];
      }),
    );
  }

  #persist<T>(work: () => Promise<T>): Promise<T> {
    return whileUnavailable(work, RETRY, this.#patience.signal, (error) => {
      this.#parts.logger.warn({ err: error }, 'The database is away; what is delivered is held');
    });
  }

  #handBack(deliveries: readonly HeldDelivery[]): void {
    for (const held of deliveries) {
      this.#unsettled.delete(held);
      held.handBack();
    }
  }

  #measure({ held, events }: Batch, duration: Duration): void {
    if (events.length === 0) return;
    const now = this.#parts.now();
    const oldest = events.reduce((least, { occurredAt }) => Math.min(least, occurredAt), now);
    this.#parts.metrics.flushed({
      deliveries: held.size,
      events: events.length,
      duration,
      lag: now - oldest,
    });
  }
}
