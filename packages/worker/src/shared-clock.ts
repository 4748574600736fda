import type { Duration, Millis } from '@presence/domain';

/**
 * This machine's clock beside the database's, as far as that has been heard. A machine that has slept,
 * or has lost its time server, is wrong for a while, and what a worker decides meanwhile stays
 * decided: an event that is refused, a session that is ended.
 */
export class SharedClock {
  readonly #own: () => Millis;
  /** How far the database's clock is ahead of the monotonic one. */
  #ahead: number | undefined;
  /** How far this machine's is ahead of the database's. */
  #lead: Duration = 0;

  constructor(own: () => Millis) {
    this.#own = own;
  }

  /**
   * @param now the database's clock
   * @param asked when it was asked, by the monotonic clock
   */
  heard(now: Millis, asked: number): void {
    this.#ahead = now - asked;
    this.#lead = this.#own() - this.#database!;
  }

  /**
   * What rows go by: the database's, by how far it was from this machine's when it was heard; that
   * goes on while a machine sleeps, as the monotonic clock may not.
   */
  get now(): Millis {
    return this.#own() - this.#lead;
  }

  /** The later of the two: whatever has happened has happened before that. */
  get latest(): Millis {
    return Math.max(this.#own(), this.#database ?? Number.NEGATIVE_INFINITY);
  }

  /** The earlier of the two: whatever was due before that is over. Unknown until both are known. */
  get earliest(): Millis | undefined {
    const database = this.#database;
    return database === undefined ? undefined : Math.min(this.#own(), database);
  }

  get #database(): Millis | undefined {
    return this.#ahead === undefined ? undefined : Math.floor(this.#ahead + performance.now());
  }
}
