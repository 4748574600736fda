import type { Duration } from '@presence/domain';
import type { Channel, Message } from 'amqplib';

/** Long enough that a message nobody can take does not spin. */
const REQUEUE_AFTER: Duration = 500;

/** The message that amqplib acknowledges: only its tag matters. */
function tagged(deliveryTag: number): Message {
  return { fields: { deliveryTag } } as Message;
}

/**
 * The deliveries of one channel that are not settled yet. Delivery tags mean nothing on another
 * channel, so one that is closed settles nothing any more: the broker delivers again.
 */
export class Acknowledgements {
  readonly #channel: Channel;
  /** Tags in the order of delivery, and whether they are settled. */
  readonly #open = new Map<number, boolean>();
  readonly #delayed = new Map<number, NodeJS.Timeout>();
  #scheduled = false;
  #closed = false;

  constructor(channel: Channel) {
    this.#channel = channel;
  }

  get closed(): boolean {
    return this.#closed;
  }

  /** How many deliveries are neither acknowledged nor handed back. */
  get open(): number {
    return this.#open.size;
  }

  delivered(tag: number): void {
    this.#open.set(tag, false);
  }

  /** Acknowledges soon, together with whatever else is settled in the same turn. */
  settle(tag: number): void {
    if (this.#closed || !this.#open.has(tag)) return;
    this.#open.set(tag, true);
    if (this.#scheduled) return;
    this.#scheduled = true;
    setImmediate(() => this.flush());
  }

  /** Hands back, after a while: whoever gets it next is likely to fail for the same reason. */
  requeue(tag: number, after: Duration = REQUEUE_AFTER): void {
    if (this.#closed || !this.#open.has(tag) || this.#delayed.has(tag)) return;
    this.#delayed.set(
      tag,
      setTimeout(() => this.#handBack(tag), after),
    );
  }

  /** One `multiple` up to the first that is not settled; those beyond it one by one. */
  flush(): void {
    this.#scheduled = false;
    if (this.#closed) return;
    let upTo: number | undefined;
    let gap = false;
    for (const [tag, settled] of this.#open) {
      if (!settled) gap = true;
      else if (gap) this.#acknowledge(tag);
      else upTo = tag;
      if (settled) this.#open.delete(tag);
    }
    if (upTo !== undefined) this.#channel.ack(tagged(upTo), true);
  }

  /** Hands back at once what waits for it. */
  handBackDelayed(): void {
    for (const tag of [...this.#delayed.keys()]) this.#handBack(tag);
  }

  close(): void {
    this.#closed = true;
    for (const timer of this.#delayed.values()) clearTimeout(timer);
    this.#delayed.clear();
    this.#open.clear();
  }

  #acknowledge(tag: number): void {
    this.#channel.ack(tagged(tag));
  }

  #handBack(tag: number): void {
    clearTimeout(this.#delayed.get(tag));
    this.#delayed.delete(tag);
    if (!this.#open.delete(tag)) return;
    this.#channel.nack(tagged(tag), false, true);
  }
}
