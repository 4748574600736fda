import { setTimeout as wait } from 'node:timers/promises';
import type { Duration, Millis } from '@presence/domain';
import type { Random } from './random.js';
import { REAL_INTERVAL, tokenOf } from './real-system.js';
import { type Truth, TURN } from './truth.js';

export interface RealWorld {
  readonly random: Random;
  readonly truth: Truth;
  /** To be called before the truth of a user changes. */
  readonly settle: (user: number) => void;
  /** Was told that a logout of theirs is committed, at the time that it was stamped with. */
  readonly loggedOut: (user: number, at: Millis) => void;
  readonly urls: readonly string[];
  /** Milliseconds since the run began, by the wall clock. */
  readonly now: () => Millis;
  /** When it began. */
  readonly begin: Millis;
  /** Whether no part is away. */
  readonly whole: () => boolean;
  /** Resolves once somebody has looked who began to after the call. */
  readonly nextLook: () => Promise<void>;
  readonly over: AbortSignal;
}

const VISIT: Duration = 25_000;
const GAP: Duration = 8_000;
const LOSS = 0.05;
const LOGOUT = 0.4;
const PATIENCE: Duration = 3_000;

/** One virtual user at the real system, with one device. */
export class RealUser {
  readonly #user: number;
  readonly #world: RealWorld;
  #token = '';
  /** What the last logout was stamped with. */
  loggedOutAt: Millis | null = null;
  /** Whether a logout is on its way. */
  leaving = false;
  heartbeats = 0;
  refused = 0;
  /** Logouts that were answered as pending. */
  pending = 0;

  constructor(user: number, world: RealWorld) {
    this.#user = user;
    this.#world = world;
  }

  async live(): Promise<void> {
    const { random, over } = this.#world;
    await this.#pause(random.between(0, GAP));
    while (!over.aborted) {
      await this.#visit();
      await this.#pause(random.wait(GAP));
    }
  }

  async #visit(): Promise<void> {
    const { truth, settle, random, now, over } = this.#world;
    this.#token = tokenOf(this.#user);
    settle(this.#user);
    truth.opened(this.#user, now());
    const until = now() + random.wait(VISIT);
    while (now() < until && !over.aborted) {
      await this.#beat();
      await this.#pause(Math.min(REAL_INTERVAL + random.between(-200, 200), until - now()));
    }
    settle(this.#user);
    const logsOut = !over.aborted && random.chance(LOGOUT) && (await this.#logout());
    truth.closed(this.#user, now());
    if (logsOut) await this.#seenToHaveLeft();
  }

  /** From the first look on, nothing but offline is right. */
  async #seenToHaveLeft(): Promise<void> {
    const { truth, settle, now, nextLook } = this.#world;
    await nextLook();
    settle(this.#user);
    truth.loggedOut(this.#user * 2, now(), 0);
  }

  async #beat(): Promise<void> {
    const { truth, settle, random, now, begin } = this.#world;
    this.heartbeats++;
    if (random.chance(LOSS)) return this.#lose();
    const answer = await this.#send('heartbeat');
    settle(this.#user);
    if (answer.status === 200) {
      const { last_seen } = (await answer.json()) as { last_seen: string };
      truth.accepted(this.#user * 2, now(), Date.parse(last_seen) - begin);
    } else if (answer.status === 503) {
      this.refused++;
      truth.turn[this.#user] = TURN.owed;
      truth.overheard(this.#user * 2, now());
    } else throw new Error(`A heartbeat was answered with ${answer.status}.`);
  }

  #lose(): void {
    const { turn } = this.#world.truth;
    if (turn[this.#user] === TURN.owed && this.#world.whole()) turn[this.#user] = TURN.lost;
  }

  async #logout(): Promise<boolean> {
    this.leaving = true;
    try {
      return await this.#farewell();
    } finally {
      this.leaving = false;
    }
  }

  /** @returns whether reads show it: not where the answer says that it is pending. */
  async #farewell(): Promise<boolean> {
    const answer = await this.#send('logout');
    this.#world.settle(this.#user);
    if (answer.status !== 200) return false;
    const farewell = (await answer.json()) as { last_seen: string; pending?: boolean };
    this.loggedOutAt = Date.parse(farewell.last_seen) - this.#world.begin;
    this.#world.loggedOut(this.#user, this.loggedOutAt);
    if (farewell.pending === true) this.pending++;
    return farewell.pending !== true;
  }

  #send(what: 'heartbeat' | 'logout'): Promise<Response> {
    const { urls } = this.#world;
    return fetch(`${urls[this.#user % urls.length]}/api/users/${what}/`, {
      method: 'POST',
      headers: { authorization: `Bearer ${this.#token}` },
      signal: AbortSignal.timeout(PATIENCE),
    });
  }

  async #pause(duration: Duration): Promise<void> {
    const { over: signal } = this.#world;
    await wait(Math.max(0, duration), undefined, { signal }).catch(() => {}); // The run is over.
  }
}
