import type { Millis, Progress, ReportedEvent } from '@presence/domain';
import type { Leases } from './leases.js';
import type { Message } from './queue.js';

/** What the worker has been delivered and has no verdict for yet. */
export interface Held {
  readonly message: Message;
  readonly worker: Worker;
  readonly receivedAt: Millis;
  /** What is not written yet. */
  left: readonly ReportedEvent[];
}

const PREFETCH = 300;

/** One worker: what it holds, and its word of progress as packages/worker/src/ticks.ts gives it. */
export class Worker {
  readonly #held = new Set<Held>();
  #life: { publisher: string; since: number; through: number } | undefined;
  #lives = 0;
  up = true;
  stuck = false;

  constructor(
    readonly name: string,
    readonly skew: () => Millis,
    readonly leases: Leases,
  ) {}

  get hasRoom(): boolean {
    return this.#held.size < PREFETCH;
  }

  take(message: Message, now: Millis): Held {
    const receivedAt = now + this.skew();
    const held = { message, worker: this, receivedAt, left: message.events };
    this.#held.add(held);
    return held;
  }

  /** Whether it has not been handed back meanwhile. */
  holds(held: Held): boolean {
    return this.#held.has(held);
  }

  /** @returns false where it has been handed back meanwhile. */
  settle(held: Held): boolean {
    return this.#held.delete(held);
  }

  /** The broker takes back all that is not acknowledged. */
  letGo(): Message[] {
    const messages = [...this.#held].map(({ message }) => message);
    this.#held.clear();
    return messages;
  }

  crash(): Message[] {
    this.up = false;
    this.#life = undefined;
    return this.letGo();
  }

  /** No further than the oldest delivery that is still held. */
  tick(now: Millis): Message | undefined {
    const wall = now + this.skew();
    if (this.#life === undefined && !this.leases.up) return undefined;
    this.#life ??= this.#begin(wall, now);
    const { publisher, since, through: from } = this.#life;
    const [oldest] = this.#held;
    const through = Math.min(wall, oldest?.receivedAt ?? wall) * 1_000;
    if (through <= from) return undefined;
    this.#life.through = through;
    const progress: Progress = { publisher, kind: 'worker', since, from, through, last: false };
    return { events: [], progress };
  }

  renew(now: Millis): void {
    if (this.#life && !this.leases.renew(this.#life.publisher, now)) this.#life = undefined;
  }

  #begin(wall: Millis, now: Millis): { publisher: string; since: number; through: number } {
    const publisher = `${this.name}/${++this.#lives}`;
    const since = this.leases.register(publisher, 'worker', wall * 1_000, now);
    return { publisher, since, through: since };
  }
}
