import {
  type Duration,
  type EventPublisher,
  type LeaseStore,
  type Millis,
  type PresenceEvent,
  type ReportedEvent,
  type Submission,
  Unavailable,
  untilPastSecond,
} from '@presence/domain';
import { type Batch, BatchLog } from './batch-log.js';
import { assertRecordable } from './event-check.js';
import { Lease, RENEW_EVERY } from './lease.js';
import { type Outlet, QueueGone } from './outlet.js';
import type { PublisherMetrics } from './publisher-metrics.js';

export interface PublisherOptions {
  /** Where the lease is kept beside the broker; an app that has no database does without. */
  readonly leases?: LeaseStore | undefined;
  /** How old an unconfirmed event may get before `accepting` turns false. Default 60 s. */
  readonly horizon?: Duration;
  /** The wall clock, by which time is cut into intervals. */
  readonly clock?: () => Millis;
  readonly metrics?: PublisherMetrics;
}

/**
 * What is answered must be on the broker's disk within 100 ms; this leaves it 60. A message
 * costs everybody on the machine more than the events in it: with 10, 20, 40 and 80 ms a tracked
 * route came to 0.75, 0.84, 0.92 and 0.94 of an untracked one. As long as the last confirmations
 * left, up to 65 ms, it came to 0.93 where 40 was 0.948: not worth the 25 ms that the broker loses.
 */
const FLUSH_AFTER: Duration = 40;
/**
 * Past each second of the clock: as-of waits for the slowest, and would be behind by another second
 * if each publisher ticked at a moment of its own.
 */
const TICK_AT: Duration = 0;
const RETRY_AFTER: Duration = 100;
/** Batches on their way: 32 × 1,000 events is more than a broker confirms in 100 ms. */
const MAX_IN_FLIGHT = 32;
const HORIZON: Duration = 60_000;

/** Folds events into micro-batches and sees every one of them confirmed, over any queue. */
export class QueuePublisher implements EventPublisher {
  readonly #outlet: Outlet;
  readonly #horizon: Duration;
  readonly #clock: () => Millis;
  readonly #metrics: PublisherMetrics;
  readonly #lease: Lease;
  readonly #log: BatchLog;
  readonly #renewal: NodeJS.Timeout;
  /** False while a life is being begun: nothing can be cut without a name. */
  #named = false;
  /** How many events were recorded since that was last told. */
  #recorded = 0;
  #flushTimer: NodeJS.Timeout | undefined;
  #tickTimer: NodeJS.Timeout | undefined;
  #due = false;
  #closing = false;
  #saidLast = false;
  #drained: (() => void) | undefined;

  constructor(outlet: Outlet, options: PublisherOptions = {}) {
    const { leases, horizon = HORIZON, clock = Date.now, metrics = {} } = options;
    this.#outlet = outlet;
    this.#horizon = horizon;
    this.#clock = clock;
    this.#metrics = metrics;
    this.#lease = new Lease({ store: leases, onError: (e) => metrics.leaseFailed?.(e) });
    this.#log = new BatchLog({ publisher: '', kind: 'app', since: this.#wallMicros() });
    outlet.onReady(() => this.#resume());
    void this.#begin(this.#wallMicros());
    this.#renewal = setInterval(() => void this.#renew(), RENEW_EVERY);
    this.#awaitTick();
  }

  get connected(): boolean {
    return this.#outlet.connected;
  }

  get accepting(): boolean {
    if (this.#closing || this.#lease.lapsed) return false;
    const { oldest } = this.#log;
    return oldest === null || performance.now() - oldest <= this.#horizon;
  }

  record(event: ReportedEvent): void {
    assertRecordable(event);
    this.#recorded++;
    this.#log.record(event, monotonic);
    if (this.#log.full) this.#flushNow();
    else this.#flushTimer ??= setTimeout(() => this.#flushNow(), FLUSH_AFTER);
  }

  async submit(event: PresenceEvent, timeout: Duration): Promise<Submission> {
    const began = performance.now();
    try {
      if (this.#closing) throw new Unavailable('broker');
      const submission = await this.#outlet.submit(event, timeout);
      this.#metrics.submitted?.(submission.outcome, performance.now() - began);
      return submission;
    } catch (error) {
      this.#metrics.submitted?.('unavailable', performance.now() - began);
      if (error instanceof Unavailable && error.cause instanceof QueueGone) this.#beginAfterLoss();
      throw error;
    }
  }

  /**
   * The last message says by itself, once it is settled, that as-of need not wait any more; until
   * then what the queue holds is waited for.
   */
  async close(timeout: Duration): Promise<void> {
    if (this.#closing) return;
    this.#closing = true;
    const drained = new Promise<void>((resolve) => {
      this.#drained = resolve;
    });
    const deadline = setTimeout(() => this.#drained?.(), timeout);
    this.#flushNow();
    await drained;
    clearTimeout(deadline);
    this.#stop();
  }

  #stop(): void {
    this.#disarm();
    clearTimeout(this.#tickTimer);
    clearInterval(this.#renewal);
  }

  /** Everything that is not confirmed goes out again, under a new name. */
  async #begin(since: number): Promise<void> {
    this.#named = false;
    this.#log.restart(await this.#lease.begin(since));
    this.#named = true;
    this.#due = true;
    this.#saidLast = false;
    this.#flush();
  }

  /** With the queue went intervals that nobody can settle any more. */
  #beginAfterLoss(): void {
    if (this.#named) void this.#begin(this.#log.restartAt);
  }

  async #renew(): Promise<void> {
    if (!this.#named) return;
    const { lapsed, publisher } = this.#lease;
    const known = await this.#lease.renew();
    // What is said of a former name is nothing to this one.
    if (publisher !== this.#lease.publisher) return;
    const back = lapsed && !this.#lease.lapsed;
    if (this.#named && !this.#closing && (!known || back)) await this.#begin(this.#log.restartAt);
  }

  #resume(): void {
    if (this.#named && this.#lease.lapsed) void this.#begin(this.#log.restartAt);
    else this.#flush();
  }

  #awaitTick(): void {
    this.#tickTimer = setTimeout(
      () => {
        this.#awaitTick();
        this.#flushNow();
      },
      untilPastSecond(TICK_AT, this.#clock()),
    );
  }

  #flushNow(): void {
    this.#disarm();
    this.#due = true;
    this.#flush();
  }

  /** Once for many: to count is dear beside to record. */
  #tellRecorded(): void {
    if (this.#recorded > 0) this.#metrics.recorded?.(this.#recorded);
    this.#recorded = 0;
  }

  #disarm(): void {
    clearTimeout(this.#flushTimer);
    this.#flushTimer = undefined;
  }

  #flush(): void {
    this.#tellRecorded();
    while (this.#canSend()) {
      if (this.#log.unsent === 0 && !this.#cut()) break;
      this.#send(this.#log.take()!);
    }
    if (this.#saidLast && this.#log.unsent + this.#log.inFlight === 0) this.#drained?.();
  }

  #canSend(): boolean {
    return this.#named && this.#outlet.ready && this.#log.inFlight < MAX_IN_FLIGHT;
  }

  /** Cuts where something is due. Never before all that is cut is on its way: pending folds. */
  #cut(): boolean {
    if (!this.#due || this.#saidLast) return false;
    this.#due = false;
    this.#disarm(); // What it would have flushed is in this cut.
    this.#saidLast = this.#closing;
    this.#log.cut(this.#wallMicros(), this.#closing);
    return true;
  }

  #send(batch: Batch): void {
    const sentAt = performance.now();
    this.#metrics.sent?.(batch.events.length, batch.body.length);
    this.#outlet.sendBatch(batch).then(
      () => this.#confirmed(batch, sentAt),
      (error: unknown) => this.#failed(batch, error),
    );
  }

  #confirmed(batch: Batch, sentAt: number): void {
    if (!this.#log.confirm(batch)) return;
    const now = performance.now();
    this.#metrics.confirmed?.(batch.events.length, now - (batch.recordedAt ?? now));
    if (this.#named && this.#lease.lapsed && !this.#closing) void this.#begin(this.#log.restartAt);
    else this.#lease.heard(sentAt);
    this.#flush();
  }

  #failed(batch: Batch, error: unknown): void {
    if (!this.#log.fail(batch)) return;
    this.#metrics.failed?.(batch.events.length, error);
    if (error instanceof QueueGone) this.#beginAfterLoss();
    else this.#flushTimer ??= setTimeout(() => this.#flushNow(), RETRY_AFTER);
  }

  #wallMicros(): number {
    return Math.floor(this.#clock() * 1_000);
  }
}

function monotonic(): number {
  return performance.now();
}
