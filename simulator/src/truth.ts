import type { Duration, Millis } from '@presence/domain';

/** How many of a user's latest accepted events are remembered: more than the longest outage sees. */
const REMEMBERED = 64;
/** A user's share of the list of words. */
const WORDS = REMEMBERED * 2;
const DEVICES = 2;
const NONE = -0x8000_0000;

/** How it stands with a user whose requests have been refused. */
export const TURN = {
  /** Nothing was refused since the last accepted event. */
  none: 0,
  /** Refused because a part was away; the client has not had its next turn to speak. */
  owed: 1,
  /** It has had it, and the network lost it. */
  lost: 2,
  /** Refused by an API that had been given up: the stated limit. */
  givenUp: 3,
} as const;

/** What is really so, and what of it any API has ever been told. Moments are true ones. */
export class Truth {
  /** How many devices of each user are open. */
  readonly open: Uint8Array;
  readonly turn: Uint8Array;
  /** Pairs of when an event was heard and what it was stamped, REMEMBERED of them a user. */
  readonly #words: Int32Array;
  /** Where the next pair goes. */
  readonly #slot: Uint8Array;
  /** By device: when an API last accepted something that no logout has overruled since. */
  readonly #voiceAt: Int32Array;
  there = 0;
  /** User-milliseconds of being there, up to `#countedAt`. */
  #presence = 0;
  #countedAt = 0;

  constructor(readonly users: number) {
    this.open = new Uint8Array(users);
    this.turn = new Uint8Array(users);
    this.#voiceAt = new Int32Array(users * DEVICES).fill(NONE);
    this.#words = new Int32Array(users * WORDS).fill(NONE);
    this.#slot = new Uint8Array(users);
  }

  isThere(user: number): boolean {
    return this.open[user]! > 0;
  }

  /** User-milliseconds of being there so far. */
  presenceUntil(at: Millis): number {
    this.#presence += this.there * (at - this.#countedAt);
    this.#countedAt = at;
    return this.#presence;
  }

  opened(user: number, at: Millis): void {
    this.presenceUntil(at);
    if (this.open[user]!++ === 0) this.there++;
    this.turn[user] = TURN.none;
  }

  closed(user: number, at: Millis): void {
    this.presenceUntil(at);
    if (--this.open[user]! === 0) this.there--;
    this.turn[user] = TURN.none;
  }

  /** An API has answered 200 to an event that it stamped `stamp`. */
  accepted(device: number, at: Millis, stamp: Millis): void {
    const user = Math.floor(device / DEVICES);
    this.#voiceAt[device] = at;
    this.turn[user] = TURN.none;
    const slot = this.#slot[user]!;
    this.#words[user * WORDS + slot] = at;
    this.#words[user * WORDS + slot + 1] = stamp;
    this.#slot[user] = (slot + 2) % WORDS;
  }

  /** Was refused, and may have been heard all the same: a 503 promises nothing either way. */
  overheard(device: number, at: Millis): void {
    this.#voiceAt[device] = at;
  }

  /** The API that accepted them has crashed before they were on their way. */
  forget(user: number, acceptedSince: Millis): void {
    for (let slot = user * WORDS; slot < (user + 1) * WORDS; slot += 2) {
      if (this.#words[slot]! >= acceptedSince) this.#words[slot + 1] = NONE;
    }
  }

  /** When the first event was accepted that is stamped later than `stamp`; else Infinity. */
  firstHeardAfter(user: number, stamp: Millis): Millis {
    let first = Number.POSITIVE_INFINITY;
    for (let slot = user * WORDS; slot < (user + 1) * WORDS; slot += 2) {
      const at = this.#words[slot]!;
      if (this.#words[slot + 1]! > stamp && at < first) first = at;
    }
    return first;
  }

  /** Whether the user spoke, and was heard, within `duration` after `stamp`. */
  spokeWithin(user: number, stamp: Millis, duration: Duration): boolean {
    for (let slot = user * WORDS; slot < (user + 1) * WORDS; slot += 2) {
      const heard = this.#words[slot + 1]!;
      if (heard > stamp && heard <= stamp + duration) return true;
    }
    return false;
  }

  /** A logout overrules all that its user has said before, but for what clocks may reorder. */
  loggedOut(device: number, at: Millis, spread: Duration): void {
    const first = device - (device % DEVICES);
    for (let each = first; each < first + DEVICES; each++) {
      if (each === device || this.#voiceAt[each]! + spread < at) this.#voiceAt[each] = NONE;
    }
  }

  /** When the user was last heard and may be believed to be there since; else {@link never}. */
  spokeAt(user: number): Millis {
    return Math.max(this.#voiceAt[user * DEVICES]!, this.#voiceAt[user * DEVICES + 1]!);
  }

  static readonly never = NONE;
}
