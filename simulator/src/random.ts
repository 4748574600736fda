/**
 * A small seeded generator (sfc32, Chris Doty-Humphrey's PractRand): the same seed gives the same
 * simulation on every machine, which Math.random cannot promise.
 */
export class Random {
  #a = 0x9e3779b9;
  #b = 0x243f6a88;
  #c: number;
  #counter = 1;

  constructor(seed: number) {
    this.#c = seed | 0;
    for (let round = 0; round < 16; round++) this.next();
  }

  /** From 0 to just under 1. */
  next(): number {
    const sum = (this.#a + this.#b + this.#counter++) | 0;
    this.#a = this.#b ^ (this.#b >>> 9);
    this.#b = (this.#c + (this.#c << 3)) | 0;
    this.#c = (((this.#c << 21) | (this.#c >>> 11)) + sum) | 0;
    return (sum >>> 0) / 0x1_0000_0000;
  }

  chance(probability: number): boolean {
    return probability > 0 && this.next() < probability;
  }

  /** A whole number from `least` to `most`. */
  between(least: number, most: number): number {
    return least + Math.floor(this.next() * (most - least + 1));
  }

  /** The whole wait until the next of events that happen once in `mean`, independently. */
  wait(mean: number): number {
    return Math.ceil(-Math.log(1 - this.next()) * mean);
  }
}
