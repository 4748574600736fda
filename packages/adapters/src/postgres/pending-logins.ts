import { TooManyLogins } from '@presence/domain';
import { Turns } from '../process/turns.js';

/** Each takes 25 ms of a processor to hash: with these the last waits for less than half a minute. */
const MOST_WAITING = 1_000;

/** The logins under way in this process, by where they come from. More of them wait, in order. */
export class PendingLogins {
  readonly #most: number;
  readonly #turns = new Map<string, Turns>();

  /** @param most how many there may be from one place */
  constructor(most: number) {
    this.#most = most;
  }

  /** @throws TooManyLogins at once where too many wait already; what `login` throws */
  async run<T>(from: string, login: () => Promise<T>): Promise<T> {
    const turns = this.#turns.get(from) ?? new Turns(this.#most);
    if (turns.waiting >= MOST_WAITING) throw new TooManyLogins();
    this.#turns.set(from, turns);
    try {
      return await turns.run(login);
    } finally {
      if (turns.idle) this.#turns.delete(from);
    }
  }
}
