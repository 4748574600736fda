import {
  type Duration,
  type Millis,
  type SessionStore,
  Unavailable,
  untilPastSecond,
} from '@presence/domain';
import type { Logger } from 'pino';
import type { EndedSessions } from './ended-sessions.js';

/**
 * When it looks, past each second: twice, since an ended session's tokens have to be refused
 * everywhere within one. At the first of them the process is awake, to tick; at the second the
 * workers have moved as-of, even at a second try.
 */
const LOOKS_AT: readonly Duration[] = [0, 500];
/** Who has said nothing for this long is not waited for, and, without a no, not asked but by looks. */
const SILENCE: Duration = 3_000;
/**
 * Where looks are told no, who has asked is given up only after so many of them: the database may
 * just be back, and about to answer.
 */
const LOOKS_WAITED = 2;
/** A look that fails sooner has been told no: a database that restarts, say. */
const NO_WITHIN: Duration = 1_000;

interface WatchOptions {
  readonly sessions: Pick<SessionStore, 'endedSince'>;
  readonly ended: EndedSessions;
  readonly logger: Logger;
  readonly now: () => Millis;
  /** Called after each look. */
  readonly onLook?: () => void;
}

/** Asks the database, over and over, which sessions have ended and how far events are processed. */
export class DatabaseWatch {
  readonly #options: WatchOptions;
  #timer: NodeJS.Timeout | undefined;
  #cursor: string | null = null;
  #answered = false;
  #failed = false;
  /** Whether it refused the last look. */
  #saysNo = false;
  #silent = false;
  #silence: NodeJS.Timeout | undefined;
  /** What ends the wait of each who has asked the database something, and how many looks there were then. */
  readonly #waiting = new Map<() => void, number>();
  #looks = 0;
  #asOf: Millis | undefined;
  #lag: Duration | undefined;
  /** When the lag was read, by the monotonic clock. */
  #lagReadAt = 0;
  /** How far the database's clock is ahead of that one. */
  #ahead: number | undefined;
  /** How far this machine's is ahead of the database's. */
  #lead: Duration = 0;
  #stopped = true;

  constructor(options: WatchOptions) {
    this.#options = options;
  }

  /** Whether the database has answered lately. */
  get reachable(): boolean {
    return this.#answered && !this.#failed && !this.#silent;
  }

  /**
   * A port whose questions to the database are given up while that says nothing, at once where it
   * has not for a while: whoever asks need not wait for what a network has swallowed. What was
   * asked may have been done all the same, as with any answer that is lost.
   */
  guard<Port extends object>(port: Port): Port {
    return new Proxy(port, {
      get: (target, name) => {
        const member: unknown = Reflect.get(target, name);
        if (typeof member !== 'function') return member;
        return (...args: unknown[]) => this.#whileItAnswers(() => member.apply(target, args));
      },
    });
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

  /**
   * A moment of this machine's clock, brought back to `skew` ahead of the database's where it is
   * farther: an event that goes straight into the row would outrank all that is said until then.
   */
  bounded(at: Millis, skew: Duration): Millis {
    if (this.#ahead === undefined) return at;
    return Math.min(at, Math.floor(this.#ahead + performance.now()) + skew);
  }

  /**
   * How far this machine's clock is ahead of the database's, by the last look; 0 before the first.
   * The monotonic clock, which may stand still while a machine sleeps, has no part in it.
   */
  get lead(): Duration {
    return this.#lead;
  }

  /** A moment that other machines can be held against: the database's clock, as far as heard. */
  get now(): Millis {
    return this.#options.now() - this.#lead;
  }

  /** @returns once the first look is over, whatever came of it */
  start(): Promise<void> {
    this.#stopped = false;
    this.#awaitAnswer();
    return this.#turn();
  }

  stop(): void {
    this.#stopped = true;
    clearTimeout(this.#timer);
    clearTimeout(this.#silence);
  }

  /** Takes account of an as-of that was read with something else: answers never step back behind it. */
  note(asOf: Millis): Millis {
    this.#asOf = Math.max(asOf, this.#asOf ?? asOf);
    return asOf;
  }

  #whileItAnswers(ask: () => Promise<unknown>): Promise<unknown> {
    if (this.#silent) return Promise.reject(new Unavailable('database'));
    return new Promise((resolve, reject) => {
      const giveUp = () => reject(new Unavailable('database'));
      this.#waiting.set(giveUp, this.#looks);
      ask()
        .then(resolve, reject)
        .finally(() => this.#waiting.delete(giveUp));
    });
  }

  #awaitAnswer(): void {
    this.#silent = false;
    clearTimeout(this.#silence);
    if (this.#stopped) return;
    this.#silence = setTimeout(() => {
      const latest = this.#saysNo ? this.#looks - LOOKS_WAITED : this.#looks;
      for (const [giveUp, looks] of this.#waiting) if (looks <= latest) giveUp();
      if (this.#saysNo) this.#awaitAnswer();
      else this.#silent = true;
    }, SILENCE);
  }

  async #turn(): Promise<void> {
    const askedAt = performance.now();
    await this.#look().then(
      () => this.#report(undefined),
      (error: unknown) => {
        this.#saysNo = performance.now() - askedAt < NO_WITHIN;
        if (this.#saysNo && this.#silent) this.#awaitAnswer();
        this.#report(error);
      },
    );
    this.#looks++;
    this.#options.onLook?.();
    if (!this.#stopped) this.#timer = setTimeout(() => void this.#turn(), this.#untilLook);
  }

  get #untilLook(): Duration {
    const now = this.#options.now();
    return Math.min(...LOOKS_AT.map((past) => untilPastSecond(past, now)));
  }

  async #look(): Promise<void> {
    const { sessions, ended } = this.#options;
    const [askedAt, asked] = [performance.now(), this.#options.now()];
    const { asOf, now, ...answer } = await sessions.endedSince(this.#cursor);
    for (const session of answer.ended) ended.add(session);
    ended.forget(this.note(asOf));
    this.#cursor = answer.cursor;
    this.#lag = Math.max(0, now - asOf);
    this.#lagReadAt = askedAt;
    this.#ahead = now - askedAt;
    this.#lead = asked - now;
    this.#answered = true;
    this.#saysNo = false;
    this.#awaitAnswer();
  }

  #report(failure: unknown): void {
    const failed = failure !== undefined;
    if (failed === this.#failed) return;
    this.#failed = failed;
    if (failed) this.#options.logger.warn({ err: failure }, 'the database does not answer');
    else this.#options.logger.info('the database answers again');
  }
}
