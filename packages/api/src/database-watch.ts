import type { AsOfStore, Duration, Millis, SessionStore } from '@presence/domain';
import type { Logger } from 'pino';
import type { EndedSessions } from './ended-sessions.js';

/** An ended session's tokens have to be refused everywhere within a second. */
const INTERVAL: Duration = 400;
/** A database that has not answered for this long counts as away, even if it has not said no. */
const SILENCE: Duration = 3_000;

interface WatchOptions {
  readonly sessions: Pick<SessionStore, 'endedSince'>;
  readonly asOf: Pick<AsOfStore, 'read'>;
  readonly ended: EndedSessions;
  readonly logger: Logger;
  /** Called after each look. */
  readonly onLook?: () => void;
}

/** Asks the database, over and over, which sessions have ended and how far events are processed. */
export class DatabaseWatch {
  readonly #options: WatchOptions;
  #timer: NodeJS.Timeout | undefined;
  #cursor: string | null = null;
  /** By the monotonic clock: the other one may be set. */
  #answeredAt = Number.NEGATIVE_INFINITY;
  #failed = false;
  #asOf: Millis | undefined;
  #lag: Duration | undefined;
  /** When the lag was read, by the monotonic clock. */
  #lagReadAt = 0;
  #stopped = true;

  constructor(options: WatchOptions) {
    this.#options = options;
  }

  /** Whether the database has answered lately. */
  get reachable(): boolean {
    return !this.#failed && performance.now() - this.#answeredAt < SILENCE;
  }

  /** The latest as-of that anybody here has read; `undefined` before the first. */
  get asOf(): Millis | undefined {
    return this.#asOf;
  }

  /**
   * How far as-of is behind the database's clock; it grows while that cannot be read.
   * `undefined` before the first answer.
   */
  get lag(): Duration | undefined {
    if (this.#lag === undefined) return undefined;
    return this.#lag + Math.round(performance.now() - this.#lagReadAt);
  }

  start(): void {
    this.#stopped = false;
    void this.#turn();
  }

  stop(): void {
    this.#stopped = true;
    clearTimeout(this.#timer);
  }

  /** Takes account of an as-of that was read with something else: answers never step back behind it. */
  note(asOf: Millis): Millis {
    this.#asOf = Math.max(asOf, this.#asOf ?? asOf);
    return asOf;
  }

  async #turn(): Promise<void> {
    const reads = await Promise.allSettled([this.#readEnded(), this.#readAsOf()]);
    const failure = reads.find((read) => read.status === 'rejected');
    this.#report(failure?.reason);
    this.#options.onLook?.();
    if (!this.#stopped) this.#timer = setTimeout(() => void this.#turn(), INTERVAL);
  }

  async #readEnded(): Promise<void> {
    const { sessions, ended } = this.#options;
    const answer = await sessions.endedSince(this.#cursor);
    for (const session of answer.ended) ended.add(session);
    if (this.#asOf !== undefined) ended.forget(this.#asOf);
    this.#cursor = answer.cursor;
    this.#answeredAt = performance.now();
  }

  async #readAsOf(): Promise<void> {
    const askedAt = performance.now();
    const { asOf, now } = await this.#options.asOf.read();
    this.note(asOf);
    this.#lag = Math.max(0, now - asOf);
    this.#lagReadAt = askedAt;
  }

  #report(failure: unknown): void {
    const failed = failure !== undefined;
    if (failed === this.#failed) return;
    this.#failed = failed;
    if (failed) this.#options.logger.warn({ err: failure }, 'the database does not answer');
    else this.#options.logger.info('the database answers again');
  }
}
