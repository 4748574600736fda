/** The logins under way in this process, by where they come from. */
export class PendingLogins {
  readonly #most: number;
  readonly #pending = new Map<string, number>();

  /** @param most how many there may be from one place */
  constructor(most: number) {
    this.#most = most;
  }

  /** @returns what ends it; `null` where there are too many already */
  enter(from: string): (() => void) | null {
    const pending = this.#pending.get(from) ?? 0;
    if (pending >= this.#most) return null;
    this.#pending.set(from, pending + 1);
    return () => this.#leave(from);
  }

  #leave(from: string): void {
    const left = this.#pending.get(from)! - 1;
    if (left === 0) this.#pending.delete(from);
    else this.#pending.set(from, left);
  }
}
