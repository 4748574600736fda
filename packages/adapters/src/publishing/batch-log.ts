import { randomUUID } from 'node:crypto';
import {
  Fold,
  identityKey,
  type Progress,
  type ReportedEvent,
  type UserId,
} from '@presence/domain';
import { encodeBatches } from '../wire/encode.js';
import { MAX_BATCH_EVENTS } from '../wire/names.js';

/** One message of events, and the interval of its publisher's time that it settles. */
export interface Batch {
  readonly messageId: string;
  readonly events: readonly ReportedEvent[];
  readonly body: Buffer;
  readonly progress: Progress;
  /** When its oldest event was recorded, by the monotonic clock; `null` for a tick. */
  readonly recordedAt: number | null;
}

/** Who publishes: {@link Progress} without the interval. */
export type PublisherName = Pick<Progress, 'publisher' | 'kind' | 'since'>;

/**
 * What a publisher has recorded and the queue has not confirmed yet, and the bookkeeping of its
 * intervals. It knows no queue, no timer and no clock.
 *
 * A batch that is not confirmed is sent again as it was, interval and all: only that way a gap
 * between confirmed ones can be filled without speaking for what they hold.
 */
export class BatchLog {
  /**
   * Recorded and not folded yet, fewer than a message holds. Recording is done once a request,
   * amid everything else: to put the event aside takes the least.
   */
  #recorded: ReportedEvent[] = [];
  readonly #pending = new Fold<UserId | string, ReportedEvent>();
  #pendingSince: number | null = null;
  /** Cut and not on its way, by `from`. */
  #unsent: Batch[] = [];
  readonly #inFlight = new Set<Batch>();
  #oldestCut: number | null = null;
  #name: PublisherName;
  #reached: number;
  readonly #pack: typeof encodeBatches;

  /** @param pack makes messages of events, at least one. */
  constructor(name: PublisherName, pack: typeof encodeBatches = encodeBatches) {
    this.#name = name;
    this.#pack = pack;
    this.#reached = name.since;
  }

  /** Whether so many users have an event that is in no batch yet as a message holds. */
  get full(): boolean {
    if (this.#recorded.length + this.#pending.size < MAX_BATCH_EVENTS) return false;
    this.#fold();
    return this.#pending.size >= MAX_BATCH_EVENTS;
  }

  get unsent(): number {
    return this.#unsent.length;
  }

  get inFlight(): number {
    return this.#inFlight.size;
  }

  /** How far time is cut: what is recorded from now on belongs behind it. */
  get reached(): number {
    return this.#reached;
  }

  /** When the oldest event that is not confirmed was recorded; `null` where there is none. */
  get oldest(): number | null {
    return earlier(this.#oldestCut, this.#pendingSince);
  }

  /** @param clock the monotonic one, which is only asked where nothing else is pending */
  record(event: ReportedEvent, clock: () => number): void {
    this.#pendingSince ??= clock();
    if (this.#recorded.push(event) >= MAX_BATCH_EVENTS) this.#fold();
  }

  /**
   * Puts all that is pending into batches. They share the time since the last cut: slivers of one
   * microsecond for all but the last, which is the one that holds the rest and everything pending
   * before it, since batches are settled in any order but count without a gap only.
   */
  cut(wallMicros: number, last = false): void {
    this.#fold();
    const packed = this.#pack(this.#pending.takeAll());
    const through = Math.max(Math.floor(wallMicros), this.#reached + packed.length);
    packed.forEach(({ events, body }, at) => {
      const from = this.#reached + at;
      const isLast = at === packed.length - 1;
      const progress = { ...this.#name, from, through: isLast ? through : from + 1 };
      const recordedAt = events.length === 0 ? null : this.#pendingSince;
      this.#unsent.push({
        messageId: randomUUID(),
        events,
        body,
        progress: { ...progress, last: last && isLast },
        recordedAt,
      });
    });
    this.#reached = through;
    this.#pendingSince = null;
    this.#noteOldest();
  }

  /** The next batch to send. It is on its way until it is confirmed or has failed. */
  take(): Batch | undefined {
    const batch = this.#unsent.shift();
    if (batch) this.#inFlight.add(batch);
    return batch;
  }

  /** @returns false where the batch belongs to a life that is over. */
  confirm(batch: Batch): boolean {
    const known = this.#inFlight.delete(batch);
    this.#noteOldest();
    return known;
  }

  /** @returns false where the batch belongs to a life that is over. */
  fail(batch: Batch): boolean {
    if (!this.#inFlight.delete(batch)) return false;
    this.#unsent.push(batch);
    this.#unsent.sort((a, b) => a.progress.from - b.progress.from);
    return true;
  }

  /** Where a new life would have to begin to speak for everything that is not confirmed. */
  get restartAt(): number {
    const froms = [...this.#inFlight, ...this.#unsent].map(({ progress }) => progress.from);
    return Math.min(this.#reached, ...froms);
  }

  /** Begins a new life at `name.since`; everything that is not confirmed is pending again. */
  restart(name: PublisherName): void {
    for (const { events, recordedAt } of [...this.#inFlight, ...this.#unsent]) {
      this.#addAll(events);
      this.#pendingSince = earlier(this.#pendingSince, recordedAt);
    }
    this.#inFlight.clear();
    this.#unsent = [];
    this.#name = name;
    this.#reached = name.since;
    this.#noteOldest();
  }

  #fold(): void {
    this.#addAll(this.#recorded);
    this.#recorded = [];
  }

  #addAll(events: readonly ReportedEvent[]): void {
    for (const event of events) this.#pending.add(userKey(event), event);
  }

  #noteOldest(): void {
    let oldest: number | null = null;
    for (const { recordedAt } of this.#inFlight) oldest = earlier(oldest, recordedAt);
    for (const { recordedAt } of this.#unsent) oldest = earlier(oldest, recordedAt);
    this.#oldestCut = oldest;
  }
}

function userKey({ user }: ReportedEvent): UserId | string {
  return typeof user === 'number' ? user : identityKey(user);
}

function earlier(a: number | null, b: number | null): number | null {
  if (a === null || b === null) return a ?? b;
  return Math.min(a, b);
}
