/** The logins of one place: how many are under way, and those that wait for the end of one. */
interface Line {
  pending: number;
  readonly waiting: (() => void)[];
}

/** Each takes 25 ms of a processor to hash: with these the last waits for less than half a minute. */
const MOST_WAITING = 1_000;

/** The logins under way in this process, by where they come from. More of them wait, in order. */
export class PendingLogins {
  readonly #most: number;
  readonly #lines = new Map<string, Line>();

  /** @param most how many there may be from one place */
  constructor(most: number) {
    this.#most = most;
  }

  /** Waits for its turn. @returns what ends it; `null` at once where too many wait already */
  async enter(from: string): Promise<(() => void) | null> {
    const line = this.#lines.get(from) ?? { pending: 0, waiting: [] };
    this.#lines.set(from, line);
    if (line.pending < this.#most) line.pending++;
    else if (line.waiting.length >= MOST_WAITING) return null;
    else await new Promise<void>((go) => line.waiting.push(go));
    return () => this.#leave(from, line);
  }

  /** Hands the turn on without freeing it, so that nobody who comes later gets in between. */
  #leave(from: string, line: Line): void {
    const next = line.waiting.shift();
    if (next !== undefined) next();
    else if (--line.pending === 0) this.#lines.delete(from);
  }
}
