import type { Duration, Millis } from '@presence/domain';
import type { FaultWindow } from './scenario.js';
import { Truth, TURN } from './truth.js';

/** User-milliseconds shown wrongly, by reason; docs/simulator.md defines each. */
export interface Wrong {
  /** Shown online or away, though gone. */
  readonly ghosts: { silence: number; outage: number; avoidable: number };
  /** Shown offline, though there. */
  readonly absences: {
    lost: number;
    turn: number;
    refused: number;
    logout: number;
    delay: number;
    outage: number;
    avoidable: number;
  };
}

export interface Allowances {
  readonly offlineAfter: Duration;
  /** From an event's acceptance until reads show it. */
  readonly delay: Duration;
  /** How far as-of is behind the clock while all is well. */
  readonly lag: Duration;
  /** How far apart two clocks can be. */
  readonly spread: Duration;
  /** In order of time. */
  readonly faults: readonly FaultWindow[];
}

const WHY = { unseen: 0, word: 1, silent: 2, turnLost: 3, unjust: 4 } as const;

/** Keeps what one rule shows of every user against what is so. */
export class Ledger {
  readonly wrong: Wrong = {
    ghosts: { silence: 0, outage: 0, avoidable: 0 },
    absences: { lost: 0, turn: 0, refused: 0, logout: 0, delay: 0, outage: 0, avoidable: 0 },
  };
  /** How many users are shown online or away. */
  count = 0;
  readonly shown: Uint8Array;
  readonly #seen: Int32Array;
  readonly #why: Uint8Array;
  /** Up to when each user's wrong time has been accounted for. */
  readonly #settledAt: Int32Array;

  constructor(
    readonly truth: Truth,
    readonly allow: Allowances,
  ) {
    const { users } = truth;
    this.shown = new Uint8Array(users);
    this.#seen = new Int32Array(users).fill(Truth.never);
    this.#why = new Uint8Array(users);
    this.#settledAt = new Int32Array(users);
  }

  /** The time that was last seen in a user's row. */
  seenOf(user: number): Millis {
    return this.#seen[user]!;
  }

  /** A row now bears this time; `silent` where it is offline for that reason alone. */
  wrote(user: number, at: Millis, row: { shown: boolean; seen: Millis; silent: boolean }): void {
    const before = this.shown[user] === 1;
    if (before !== row.shown || this.truth.isThere(user) !== row.shown) this.settle(user, at);
    this.#seen[user] = row.seen;
    this.#show(user, row.shown);
    if (!row.shown) this.#why[user] = row.silent ? this.#whySilent(user) : WHY.word;
  }

  /** Silence has run out. */
  expired(user: number, at: Millis): void {
    this.settle(user, at);
    this.#show(user, false);
    this.#why[user] = this.#whySilent(user);
  }

  /** To be called before the truth of a user changes, and at the end. */
  settle(user: number, at: Millis): void {
    const from = this.#settledAt[user]!;
    this.#settledAt[user] = at;
    const shown = this.shown[user] === 1;
    if (at <= from || shown === this.truth.isThere(user)) return;
    if (shown) this.#ghost(user, from, at);
    else this.#absence(user, from, at);
  }

  #show(user: number, shown: boolean): void {
    if ((this.shown[user] === 1) === shown) return;
    this.shown[user] = shown ? 1 : 0;
    this.count += shown ? 1 : -1;
  }

  /**
   * Silence is real where nothing that the user said within OFFLINE_AFTER was heard by an API, and
   * nobody who was refused for an outage still has to get a turn.
   */
  #whySilent(user: number): number {
    const { truth } = this;
    if (!truth.isThere(user)) return WHY.silent;
    const turn = truth.turn[user]!;
    if (turn === TURN.owed) return WHY.unjust;
    if (truth.spokeWithin(user, this.#seen[user]!, this.allow.offlineAfter)) return WHY.unjust;
    return turn === TURN.lost ? WHY.turnLost : WHY.silent;
  }

  #ghost(user: number, from: Millis, to: Millis): void {
    const { ghosts } = this.wrong;
    const spokeAt = this.truth.spokeAt(user);
    if (spokeAt === Truth.never) {
      ghosts.avoidable += to - from;
      return;
    }
    const { offlineAfter, lag, spread } = this.allow;
    const limit = spokeAt + offlineAfter + lag + spread;
    const silence = overlap(from, to, from, limit);
    const outage = this.#inFaults(user, Math.max(from, limit), to, 'silenceUntil');
    ghosts.silence += silence;
    ghosts.outage += outage;
    ghosts.avoidable += to - from - silence - outage;
  }

  #absence(user: number, from: Millis, to: Millis): void {
    const { absences } = this.wrong;
    const why = this.#why[user]!;
    if (why === WHY.unjust) {
      absences.avoidable += to - from;
      return;
    }
    const heard = this.truth.firstHeardAfter(user, this.#seen[user]!);
    const unheard = overlap(from, to, from, heard);
    if (why === WHY.word) absences.logout += unheard;
    else if (why === WHY.turnLost) absences.turn += unheard;
    else if (this.truth.turn[user] !== TURN.none) absences.refused += unheard;
    else absences.lost += unheard;
    const delay = overlap(from, to, heard, heard + this.allow.delay);
    const outage = this.#inFaults(user, Math.max(from, heard + this.allow.delay), to, 'wordsUntil');
    absences.delay += delay;
    absences.outage += outage;
    absences.avoidable += to - from - unheard - delay - outage;
  }

  /** How much of a time lies in any fault's window; the windows may overlap each other. */
  #inFaults(user: number, from: Millis, to: Millis, end: 'wordsUntil' | 'silenceUntil'): Duration {
    let [at, covered] = [from, 0];
    for (const window of this.allow.faults) {
      if (at >= to) break;
      if (end === 'wordsUntil' && (window.only ?? user) !== user) continue;
      const part = overlap(at, to, window.from, window[end]);
      covered += part;
      if (part > 0) at = Math.min(to, window[end]);
    }
    return covered;
  }
}

function overlap(from: Millis, to: Millis, start: Millis, end: Millis): Duration {
  return Math.max(0, Math.min(to, end) - Math.max(from, start));
}
