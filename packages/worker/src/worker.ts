import { setTimeout as delay } from 'node:timers/promises';
import {
  type AsOfPolicy,
  type AsOfStore,
  type Duration,
  type EventSource,
  type Millis,
  Unavailable,
  untilPastSecond,
  WORKER_LEASE,
} from '@presence/domain';
import type { BatchWriter } from './batch-writer.js';
import { type ChoreParts, Chores, type LoopMaker } from './chores.js';
import { Loop, type LoopSettings } from './loop.js';
import type { Ticks } from './ticks.js';

export interface WorkerParts extends ChoreParts {
  readonly broker: { readonly connected: boolean; readonly blocked: boolean };
  readonly source: EventSource;
  readonly writer: BatchWriter;
  readonly ticks: Ticks;
  readonly asOf: AsOfStore;
  readonly now: () => Millis;
}

/**
 * Past each second of the clock, as APIs and apps do it: so where nobody does anything all that is
 * told is written by one statement, and as-of moves once for all of it.
 */
const TICK_AT: Duration = 0;
/** Workers do not all ask at once: one alone gets to move it. */
const AS_OF_AT: Duration = 100 + Math.random() * 50;
/** Farther behind than it is then, as-of waits for somebody who speaks at another moment. */
const BEHIND: Duration = 300;
/**
 * Until the next look then, or up to three times that after one that another had the turn of. APIs
 * look half a second past for what has become of it.
 */
const BEHIND_INTERVAL: Duration = 250;
/** From one look for the broker to the next. */
const UNCONNECTED_INTERVAL: Duration = 250;

/**
 * How long the database may be away, or say nothing, before what is held is handed back: another
 * worker may reach it. Less than a worker's lease, after which as-of no longer waits for what this
 * one holds. A statement into a black hole fails much later than that; hence the loop of its own.
 */
const HOLD_ON: Duration = 5_000;

/**
 * How long a worker may be without the queue before as-of no longer waits for it: as long as for one
 * that has died, when that is looked at again, each other second. What it held, the broker delivers
 * to others.
 */
const UNCONNECTED_FOR: Duration = WORKER_LEASE - 1_000;
/** The same where the queue is there and no tick is taken. Longer: it may be slow, and delivers. */
const UNTOLD_FOR: Duration = 60_000;

/** How long the first message has to wait for a database that says nothing. */
const FIRST_LOOK: Duration = 1_000;

/** How long the flush of what is held may take when stopping; the rest is handed back. */
const DRAIN_TIMEOUT: Duration = 5_000;
const CLOSE_TIMEOUT: Duration = 2_000;
const JOBS_TIMEOUT: Duration = 1_500;

/** Writes what the queue holds, and does what falls due: each by any number of workers. */
export class Worker {
  readonly #parts: WorkerParts;
  readonly #loops: readonly Loop[];
  readonly #chores: Chores;
  readonly #waiting = new Set<string>();
  readonly #seen = { database: false, broker: false };
  #databaseAnswers = false;
  /** When it was asked what it last answered, by the monotonic clock. */
  #answeredAt = performance.now();
  /** When the queue was last seen to be there, and when an alarm was, by the same clock. */
  #connectedAt = performance.now();
  #blockedAt = Number.NEGATIVE_INFINITY;
  #progress: { asOf: Millis; lag: Duration; readAt: number; written: boolean } | undefined;
  #stoodBack = false;
  #stopping = false;
  #looked: () => void = () => {};
  readonly #firstLook = new Promise<void>((resolve) => {
    this.#looked = resolve;
  });

  constructor(parts: WorkerParts, policy: AsOfPolicy) {
    this.#parts = parts;
    const loop: LoopMaker = (name, interval, job) => this.#loop(name, interval, job);
    this.#chores = new Chores(parts, loop, (count) => this.#everySeconds(count));
    this.#loops = [
      this.#loop(
        'tick',
        () => this.#untilTick,
        () => this.#tick(),
      ),
      this.#loop('lease', this.#everySeconds(2), () => this.#renewLease()),
      this.#loop(
        'hold',
        () => this.#untilHold,
        () => this.#handBack(),
      ),
      this.#loop(
        'as-of',
        () => this.#untilAsOf,
        () => this.#advanceAsOf(policy),
      ),
      ...this.#chores.loops,
    ];
  }

  async start(): Promise<void> {
    this.#answeredAt = this.#connectedAt = performance.now();
    for (const loop of this.#loops) loop.start();
    // Before it judges any event it knows the database's clock, where that can be known.
    await Promise.race([this.#firstLook, delay(FIRST_LOOK, undefined, { ref: false })]);
    if (!this.#stopping) await this.#take();
  }

  /** What the worker needs, and whether it is there. */
  get reached(): { readonly database: boolean; readonly broker: boolean } {
    return { database: this.#databaseAnswers, broker: this.#parts.broker.connected };
  }

  /** Whether both have been there, be it not now. */
  get hasStarted(): boolean {
    return this.#seen.database && this.#seen.broker;
  }

  /** How far events have been processed; the lag grows while that cannot be read. */
  get progress(): { readonly asOf: Millis; readonly lag: Duration } | undefined {
    if (this.#progress === undefined) return undefined;
    const { asOf, lag, readAt } = this.#progress;
    return { asOf, lag: lag + Math.round(performance.now() - readAt) };
  }

  /** There may be changes to send on. */
  wakeRelay(): void {
    this.#chores.wakeRelay();
  }

  /** Takes nothing more, commits and acknowledges what it holds, and lets go. */
  async stop(): Promise<void> {
    this.#stopping = true;
    this.#chores.stop();
    await this.#parts.source.pause();
    await this.#parts.writer.close(DRAIN_TIMEOUT);
    await this.#parts.source.close(CLOSE_TIMEOUT);
    await this.#jobsEnd(JOBS_TIMEOUT);
    await this.#parts.ticks.end().catch((error: unknown) => this.#tell(error, 'lease'));
  }

  /** A job that waits longer for the broker, or the database, is left to itself: it is done again. */
  async #jobsEnd(timeout: Duration): Promise<void> {
    const ended = Promise.all(this.#loops.map((loop) => loop.stop()));
    await Promise.race([ended, delay(timeout, undefined, { ref: false })]);
  }

  #take(): Promise<void> {
    const { source, writer } = this.#parts;
    return source.start((delivery) => writer.handle(delivery));
  }

  async #handBack(): Promise<void> {
    this.#parts.writer.handBackOverdue();
    await this.#standBack();
  }

  /** In time for {@link HOLD_ON}. */
  get #untilHold(): Duration {
    const left = this.#answeredAt + HOLD_ON - performance.now();
    return Math.min(this.#untilSecond, Math.max(250, left));
  }

  /** Leaves to others what cannot be written from here. */
  async #standBack(): Promise<void> {
    if (this.#stoodBack || performance.now() - this.#answeredAt < HOLD_ON) return;
    this.#stoodBack = true;
    this.#databaseAnswers = false;
    await this.#parts.source.pause();
    this.#parts.writer.handBack();
  }

  /** @param asked when the question was put that the database has answered, by writing. */
  async #answered(asked: number): Promise<void> {
    this.#answeredAt = Math.max(this.#answeredAt, asked);
    if (!this.#stoodBack || this.#stopping) return;
    if (performance.now() - this.#answeredAt >= HOLD_ON) return;
    this.#stoodBack = false;
    await this.#take();
  }

  /** As-of would stand still for as long as it waited for one who cannot tell how far it is. */
  async #renewLease(): Promise<void> {
    const { ticks } = this.#parts;
    const asked = performance.now();
    if (!this.#canTell(asked)) await ticks.end();
    else if (await ticks.renew()) await this.#answered(asked);
  }

  /** Under an alarm nobody can, and what the queue holds is worked off all the same. */
  #canTell(now: number): boolean {
    const { broker, source, ticks } = this.#parts;
    if (source.connected) this.#connectedAt = now;
    if (broker.blocked) this.#blockedAt = now;
    const toldAt = Math.max(ticks.toldAt ?? now, this.#blockedAt);
    return now - this.#connectedAt < UNCONNECTED_FOR && now - toldAt < UNTOLD_FOR;
  }

  /** Nobody listens before the queue is there. */
  async #tick(): Promise<void> {
    const { broker, ticks } = this.#parts;
    if (broker.connected) await ticks.tick({ blocked: broker.blocked });
  }

  get #untilTick(): Duration {
    return this.#parts.broker.connected ? this.#untilSecond : UNCONNECTED_INTERVAL;
  }

  /** What is done every second is done then: a process that wakes up less often costs less. */
  get #untilSecond(): Duration {
    return untilPastSecond(TICK_AT, this.#parts.now());
  }

  /** As an interval: what is done less often is done then, too. */
  #everySeconds(count: number): () => Duration {
    return () => this.#untilSecond + (count - 1) * 1_000;
  }

  get #untilAsOf(): Duration {
    const { lag = Number.POSITIVE_INFINITY, written = false } = this.#progress ?? {};
    if (!written) return BEHIND_INTERVAL * (1 + 2 * Math.random());
    return lag > BEHIND ? BEHIND_INTERVAL : untilPastSecond(AS_OF_AT, this.#parts.now());
  }

  async #advanceAsOf(policy: AsOfPolicy): Promise<void> {
    const asked = performance.now();
    const advanced = this.#parts.asOf.advance(policy);
    this.#databaseAnswers = await advanced.then(
      () => true,
      () => false,
    );
    this.#seen.database ||= this.#databaseAnswers;
    this.#seen.broker ||= this.#parts.broker.connected;
    const { asOf, now, written } = await advanced;
    this.#parts.clock.heard(now, asked);
    this.#looked();
    if (written) await this.#answered(asked);
    this.#progress = { asOf, lag: Math.max(0, now - asOf), readAt: asked, written };
    this.#parts.metrics.asOfLag(now - asOf);
  }

  #loop(name: string, interval: LoopSettings['interval'], job: () => Promise<unknown>): Loop {
    return new Loop(
      { name, interval },
      async () => {
        await job();
        this.#waiting.delete(name);
      },
      (error) => this.#tell(error, name),
    );
  }

  /** What is away is told once, not at every attempt. */
  #tell(error: unknown, job: string): void {
    const { logger } = this.#parts;
    if (!(error instanceof Unavailable)) logger.error({ job, err: error }, 'A job failed');
    else if (!this.#waiting.has(job)) logger.warn({ job, reason: error.message }, 'A job waits');
    if (error instanceof Unavailable) this.#waiting.add(job);
  }
}
