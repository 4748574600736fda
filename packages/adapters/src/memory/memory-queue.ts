import type { Duration, Progress, Refusal } from '@presence/domain';

/** A message in the queue: what a broker would hold of it. */
export interface QueuedMessage {
  readonly routingKey: string;
  readonly body: Buffer;
  /** What the header `x-presence-progress` holds. */
  readonly progress?: Progress;
  /** Where the answer goes. */
  readonly reply?: (body: Buffer) => void;
}

/** Takes messages, `prefetch` at most at a time. */
export interface Consumer {
  readonly prefetch: number;
  /** Whether it takes more at all. */
  readonly taking: boolean;
  deliver(message: QueuedMessage): void;
}

export interface DeadLetter extends Refusal {
  readonly body: Buffer;
}

/** How many dead letters are kept; the oldest go first. */
const MAX_DEAD = 1_000;
/** Beyond this, publishers wait, as they would for a full socket. */
const MAX_WAITING = 1_000;
const REQUEUE_AFTER: Duration = 500;

/** First in, first out; competing consumers; what is not settled when one leaves goes back. */
export class MemoryQueue {
  readonly #waiting: QueuedMessage[] = [];
  readonly #taken = new Map<Consumer, Set<QueuedMessage>>();
  readonly #listeners: (() => void)[] = [];
  readonly #dead: DeadLetter[] = [];
  #deadCount = 0;
  #scheduled = false;

  get ready(): boolean {
    return this.#waiting.length < MAX_WAITING;
  }

  /** How many messages no consumer has taken. */
  get waiting(): number {
    return this.#waiting.length;
  }

  /** The latest dead letters, oldest first. */
  get dead(): readonly DeadLetter[] {
    return this.#dead;
  }

  /** How many there have been. */
  get deadCount(): number {
    return this.#deadCount;
  }

  onReady(listener: () => void): void {
    this.#listeners.push(listener);
  }

  put(message: QueuedMessage): void {
    this.#waiting.push(message);
    this.#schedule();
  }

  bury(refusal: Refusal): void {
    this.#dead.push({ reason: refusal.reason, body: Buffer.from(refusal.body) });
    this.#deadCount++;
    if (this.#dead.length > MAX_DEAD) this.#dead.shift();
  }

  subscribe(consumer: Consumer): void {
    if (!this.#taken.has(consumer)) this.#taken.set(consumer, new Set());
    this.#schedule();
  }

  /** What the consumer has not settled is delivered to others, in its place. */
  unsubscribe(consumer: Consumer): void {
    const taken = this.#taken.get(consumer);
    this.#taken.delete(consumer);
    if (!taken) return;
    this.#waiting.unshift(...taken);
    this.#schedule();
  }

  settle(consumer: Consumer, message: QueuedMessage): void {
    if (this.#taken.get(consumer)?.delete(message)) this.#schedule();
  }

  /** Hands back, after a while, so that what nobody can take does not spin. */
  requeue(consumer: Consumer, message: QueuedMessage, after: Duration = REQUEUE_AFTER): void {
    setTimeout(() => {
      if (!this.#taken.get(consumer)?.delete(message)) return;
      this.#waiting.unshift(message);
      this.#schedule();
    }, after);
  }

  /** In a later turn, as from a socket: whoever publishes never runs a consumer's code. */
  #schedule(): void {
    if (this.#scheduled) return;
    this.#scheduled = true;
    setImmediate(() => {
      this.#scheduled = false;
      const wasFull = !this.ready;
      this.#dispatch();
      if (wasFull && this.ready) for (const listener of this.#listeners) listener();
    });
  }

  #dispatch(): void {
    for (;;) {
      const consumer = this.#leastBusy();
      const message = consumer && this.#waiting.shift();
      if (!message) return;
      this.#taken.get(consumer)!.add(message);
      consumer.deliver(message);
    }
  }

  #leastBusy(): Consumer | undefined {
    let least: Consumer | undefined;
    let busy = Number.POSITIVE_INFINITY;
    for (const [consumer, { size }] of this.#taken) {
      if (!consumer.taking || size >= consumer.prefetch || size >= busy) continue;
      [least, busy] = [consumer, size];
    }
    return least;
  }
}
