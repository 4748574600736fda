import type { Delivery, Duration, Millis, PresenceStore, UserId, Verdict } from '@presence/domain';
import { applyBatch } from './apply-batch.js';
import { Batch, isAwaited, type Outcome } from './batch.js';
import { DeliveryQueue, NEVER, type QueueSettings, type Taken } from './delivery-queue.js';
import { HeldDelivery, type HeldEvent } from './held-delivery.js';
import type { Logger } from './logger.js';
import type { WorkerMetrics } from './metrics.js';
import { type RetrySettings, whileUnavailable } from './retry.js';
import type { UserResolver } from './user-resolver.js';

export interface BatchSettings extends QueueSettings {
  /** Flushes that may be under way at once. */
  readonly concurrency: number;
  /**
   * With so many deliveries without a verdict no more will come: company is not waited for. Default:
   * however many there are.
   */
  readonly maxHeld?: number;
  /** After this long without a verdict a delivery is handed back. Default {@link HOLD_AT_MOST}. */
  readonly holdAtMost?: Duration;
}

export interface BatchWriterParts {
  readonly store: Pick<PresenceStore, 'apply' | 'locked'>;
  readonly users: Pick<UserResolver, 'resolver'>;
  readonly metrics: WorkerMetrics;
  readonly logger: Logger;
  readonly now: () => Millis;
  /** Called after a commit that has put changes into the outbox. */
  readonly onAnnounced: () => void;
}

/** How often the database is tried again; `HOLD_ON` in worker.ts says for how long it matters. */
const RETRY: RetrySettings = { first: 100, longest: 2_000, giveUpAfter: 600_000 };

/**
 * However long a batch cannot be written: RabbitMQ takes the channel from a consumer that has not
 * acknowledged for 30 minutes, and with it all else that this one holds.
 */
const HOLD_AT_MOST: Duration = 600_000;

/** How often rows that somebody else has locked are looked at again. */
const LOCKED_RETRY: Duration = 500;

/** When the next flush begins unless it is called for sooner; by the monotonic clock. */
interface Alarm {
  readonly at: number;
  readonly timer?: NodeJS.Timeout;
}

const NO_ALARM: Alarm = { at: NEVER };

/**
 * Gathers deliveries, folds their events by user, and writes each batch in one transaction. Only
 * then do the deliveries get their verdict, so whatever is killed meanwhile is delivered again.
 *
 * While one flush is under way, another begins for as many events as are written at once, or where a
 * sender waits; what else arrives meanwhile makes up the next. Two of them are to each other as those
 * of two workers.
 */
export class BatchWriter {
  readonly #parts: BatchWriterParts;
  readonly #settings: BatchSettings;
  /** Aborted: the database is waited for no longer. */
  #patience = new AbortController();
  /** In order of receipt. */
  readonly #unsettled = new Set<HeldDelivery>();
  readonly #queue: DeliveryQueue;
  #closing = false;
  /** What waits for rows that somebody else has locked, since somebody awaits its effect. */
  #waiting: HeldEvent[] = [];
  /** Whose rows were locked when last looked at, be it by a flush of our own. */
  readonly #locked = new Set<UserId>();
  #alarm: Alarm = NO_ALARM;
  /** Those under way. */
  readonly #flushes = new Set<Promise<void>>();
  /** Settled when the batch of whatever flush began last has been gathered. */
  #gathered: Promise<unknown> = Promise.resolve();

  constructor(parts: BatchWriterParts, settings: BatchSettings) {
    this.#parts = parts;
    this.#settings = settings;
    this.#queue = new DeliveryQueue(settings);
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
    this.#schedule();
    return held.verdict;
  }

  /** Flushes what is held, hands back what cannot be written in time, and takes nothing more. */
  async close(timeout: Duration): Promise<void> {
    const { signal } = this.#patience;
    const givenUp = new Promise((resolve) => signal.addEventListener('abort', resolve));
    const deadline = setTimeout(() => this.#patience.abort(), timeout);
    this.#closing = true;
    this.#disarm();
    await Promise.race([this.#drain(signal), givenUp]);
    clearTimeout(deadline);
    this.handBack();
  }

  /**
   * Hands back all that is held: the database cannot be reached from here, but maybe by others. A
   * flush that waits for it is left to itself. What it may still commit changes nothing when it
   * is delivered again.
   */
  handBack(): void {
    this.#patience.abort();
    this.#patience = new AbortController();
    this.#disarm();
    this.#flushes.clear();
    this.#gathered = Promise.resolve();
    this.#queue.clear();
    this.#waiting = [];
    this.#handBack([...this.#unsettled]);
  }

  /** Hands back what has been held for too long. */
  handBackOverdue(): void {
    const { holdAtMost = HOLD_AT_MOST } = this.#settings;
    const latest = performance.now() - holdAtMost;
    const overdue: HeldDelivery[] = [];
    for (const held of this.#unsettled) {
      if (held.heldSince > latest) break;
      overdue.push(held);
    }
    if (overdue.length === 0) return;
    this.#parts.logger.warn({ deliveries: overdue.length }, 'Held for too long, and handed back');
    this.#handBack(overdue);
    this.#waiting = this.#waiting.filter(({ held }) => this.#unsettled.has(held));
  }

  async #drain(signal: AbortSignal): Promise<void> {
    await Promise.all(this.#flushes);
    while (!this.#queue.isEmpty && !signal.aborted) {
      await this.#flush(this.#queue.take(performance.now()));
    }
  }

  #schedule(): void {
    if (this.#closing || !this.#mayBegin) return;
    const retryAt = this.#waiting.length > 0 ? performance.now() + LOCKED_RETRY : NEVER;
    this.#flushAt(this.#isFull ? performance.now() : Math.min(this.#queue.flushAt, retryAt));
  }

  get #mayBegin(): boolean {
    const { size } = this.#flushes;
    return size === 0 || (size < this.#settings.concurrency && this.#queue.isPressed);
  }

  get #isFull(): boolean {
    const { maxHeld = Number.POSITIVE_INFINITY } = this.#settings;
    return this.#unsettled.size >= maxHeld && !this.#queue.isEmpty;
  }

  #flushAt(at: number): void {
    const wait = at - performance.now();
    if (wait <= 0) this.#begin();
    else if (at < this.#alarm.at) {
      clearTimeout(this.#alarm.timer);
      this.#alarm = { at, timer: setTimeout(() => this.#begin(), wait) };
    }
  }

  #disarm(): void {
    clearTimeout(this.#alarm.timer);
    this.#alarm = NO_ALARM;
  }

  #begin(): void {
    this.#disarm();
    const taken = this.#queue.take(performance.now());
    const flush = this.#flush(taken).finally(() => {
      if (!this.#flushes.delete(flush)) return; // It was left to itself.
      this.#queue.flushed(taken, performance.now());
      this.#schedule();
    });
    this.#flushes.add(flush);
    this.#schedule();
  }

  async #flush({ deliveries }: Taken): Promise<void> {
    const waiting = this.#waiting;
    this.#waiting = [];
    if (deliveries.length + waiting.length === 0) return;
    const { signal } = this.#patience;
    const begun = performance.now();
    try {
      const { batch, locked } = await this.#inTurn(() => this.#gather(deliveries, waiting, signal));
      const { store } = this.#parts;
      const outcome = await this.#persist(() => applyBatch(store, batch, locked), signal);
      if (outcome.announced) this.#parts.onAnnounced();
      if (signal.aborted) return;
      for (const userId of outcome.locked) if (!locked.has(userId)) this.#locked.add(userId);
      const stillWaiting = waiting.filter((event) => batch.waits(event, locked));
      const waits = [...stillWaiting, ...batch.conclude(outcome)];
      this.#waiting.push(...waits.filter(({ held }) => this.#unsettled.has(held)));
      this.#settle(batch, outcome);
      this.#measure(batch, performance.now() - begun);
    } catch (error) {
      if (signal.aborted) return; // All of it has been handed back.
      this.#parts.logger.error({ err: error }, 'A batch could not be written; it is handed back');
      this.#handBack([...deliveries, ...waiting.map(({ held }) => held)]);
    }
  }

  /**
   * Batches are gathered in the order in which they were taken: a user whom an event creates is there
   * for the events that come behind it.
   */
  #inTurn<T>(gather: () => Promise<T>): Promise<T> {
    const gathered = this.#gathered.then(gather);
    this.#gathered = gathered.catch(() => {}); // It fails its own flush, not those behind it.
    return gathered;
  }

  /**
   * The next batch, and of its users that were locked when last looked at those who still are. Of them
   * alone: where somebody has locked a million rows, a batch does not wait for a look at them all.
   */
  async #gather(
    queued: readonly HeldDelivery[],
    waiting: readonly HeldEvent[],
    signal: AbortSignal,
  ): Promise<{ batch: Batch; locked: ReadonlySet<UserId> }> {
    const { users, store } = this.#parts;
    const reported = queued.flatMap(({ delivery }) => delivery.events);
    const userOf = await this.#persist(() => users.resolver(reported), signal);
    const batch = new Batch();
    for (const held of queued) batch.add(held, userOf);
    const known = this.#knownLocked([...batch.events, ...waiting]);
    const locked =
      known.length > 0 ? await this.#persist(() => store.locked(known), signal) : new Set<UserId>();
    for (const userId of known) if (!locked.has(userId)) this.#locked.delete(userId);
    for (const event of waiting) if (!batch.waits(event, locked)) batch.addLocked(event);
    return { batch, locked };
  }

  #knownLocked(events: readonly HeldEvent[]): UserId[] {
    if (this.#locked.size === 0) return [];
    const users = new Set(events.map(({ userId }) => userId));
    return [...users].filter((userId) => this.#locked.has(userId));
  }

  #settle(batch: Batch, { current }: Outcome): void {
    const replies = new Map(
      batch.events.filter(isAwaited).map(({ held, userId }) => [held, current.get(userId)]),
    );
    for (const held of batch.held) {
      if (held.locked > 0) continue;
      this.#unsettled.delete(held);
      const isRefused = held.refusals.length > 0;
      held.settle(isRefused ? null : (replies.get(held) ?? null));
      for (const { reason } of held.refusals) this.#parts.metrics.refused(reason, 1);
    }
  }

  /** @throws where it has been handed back before it began */
  #persist<T>(work: () => Promise<T>, signal: AbortSignal): Promise<T> {
    signal.throwIfAborted();
    return whileUnavailable(work, RETRY, signal, (error) => {
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
