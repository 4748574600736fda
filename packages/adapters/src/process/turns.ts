/** Lets a number of jobs run at once; the others wait, first come first served. */
export class Turns {
  readonly #waiting: (() => void)[] = [];
  readonly #atOnce: number;
  #free: number;

  constructor(atOnce: number) {
    this.#atOnce = atOnce;
    this.#free = atOnce;
  }

  get waiting(): number {
    return this.#waiting.length;
  }

  /** Whether none runs, and so none waits. */
  get idle(): boolean {
    return this.#free === this.#atOnce;
  }

  async run<T>(job: () => Promise<T>): Promise<T> {
    await this.#turn();
    try {
      return await job();
    } finally {
      this.#pass();
    }
  }

  #turn(): Promise<void> | undefined {
    if (this.#free === 0) return new Promise((go) => this.#waiting.push(go));
    this.#free--;
    return undefined;
  }

  /** Hands the turn on without freeing it, so that nobody who comes later gets in between. */
  #pass(): void {
    const next = this.#waiting.shift();
    if (next === undefined) this.#free++;
    else next();
  }
}
