import type { Duration, Millis } from '@presence/domain';

/** Fine enough beside the pipeline's delay. */
const BUCKET: Duration = 250;

/**
 * Whose silence is to be looked at when: each watched user lies in one bucket, of the time when
 * their silence would run out had nothing come since. That spares looking at everybody each time.
 */
export class Silence {
  readonly #buckets = new Map<number, number[]>();
  readonly #watched: Uint8Array;
  #reached: number;

  constructor(
    users: number,
    begin: Millis,
    readonly offlineAfter: Duration,
  ) {
    this.#watched = new Uint8Array(users);
    this.#reached = bucketOf(begin);
  }

  watch(user: number, seen: Millis): void {
    if (this.#watched[user] === 1) return;
    this.#watched[user] = 1;
    this.#put(user, seen);
  }

  /**
   * Hands over everybody whose silence may have run out at `now`. `look` answers when the user was
   * last seen where it has not, and they are watched on; else `null`.
   */
  runOut(now: Millis, look: (user: number) => Millis | null): void {
    const until = bucketOf(now);
    for (; this.#reached <= until; this.#reached++) {
      const users = this.#buckets.get(this.#reached);
      this.#buckets.delete(this.#reached);
      for (const user of users ?? []) this.#look(user, look);
    }
  }

  #look(user: number, look: (user: number) => Millis | null): void {
    const seen = look(user);
    if (seen === null) this.#watched[user] = 0;
    else this.#put(user, seen);
  }

  #put(user: number, seen: Millis): void {
    const due = Math.max(bucketOf(seen + this.offlineAfter) + 1, this.#reached + 1);
    const users = this.#buckets.get(due);
    if (users === undefined) this.#buckets.set(due, [user]);
    else users.push(user);
  }
}

function bucketOf(time: Millis): number {
  return Math.floor(time / BUCKET);
}
