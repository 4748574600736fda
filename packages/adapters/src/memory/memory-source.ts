import type { DeliveryHandler, Duration, EventSource } from '@presence/domain';
import { decode, type Receipt } from '../wire/decode.js';
import { PREFETCH } from '../wire/names.js';
import { allRefusals, replyTo } from '../wire/reply.js';
import type { Consumer, MemoryQueue, QueuedMessage } from './memory-queue.js';

export interface MemorySourceOptions {
  /** How far ahead of the latest clock an event may be. */
  readonly maxClockSkew: Duration;
  /** How many messages may be handed over and not settled. Default {@link PREFETCH}. */
  readonly prefetch?: number;
  readonly clock?: () => Receipt;
}

/** Consumes from the queue of the same process. */
export class MemorySource implements EventSource, Consumer {
  readonly connected = true;
  readonly prefetch: number;
  readonly #queue: MemoryQueue;
  readonly #options: MemorySourceOptions;
  readonly #clock: () => Receipt;
  #handler: DeliveryHandler | undefined;
  #open = 0;
  #settled: (() => void) | undefined;

  constructor(queue: MemoryQueue, options: MemorySourceOptions) {
    this.#queue = queue;
    this.#options = options;
    this.#clock = options.clock ?? (() => ({ receivedAt: Date.now() }));
    this.prefetch = options.prefetch ?? PREFETCH;
  }

  get taking(): boolean {
    return this.#handler !== undefined;
  }

  async start(handler: DeliveryHandler): Promise<void> {
    this.#handler = handler;
    this.#queue.subscribe(this);
  }

  async pause(): Promise<void> {
    this.#handler = undefined;
  }

  async close(timeout: Duration): Promise<void> {
    await this.pause();
    await new Promise<void>((resolve) => {
      const deadline = setTimeout(resolve, timeout);
      this.#settled = () => {
        if (this.#open > 0) return;
        clearTimeout(deadline);
        resolve();
      };
      this.#settled();
    });
    this.#queue.unsubscribe(this);
  }

  deliver(message: QueuedMessage): void {
    void this.#handle(this.#handler!, message);
  }

  async #handle(handler: DeliveryHandler, message: QueuedMessage): Promise<void> {
    this.#open++;
    const { reply, ...rest } = message;
    const incoming = { ...rest, ...this.#clock(), awaited: reply !== undefined };
    const delivery = decode(incoming, this.#options);
    const verdict = await handler(delivery);
    if (verdict.kind === 'requeue') this.#queue.requeue(this, message);
    else {
      const refusals = allRefusals(delivery, verdict);
      for (const refusal of refusals) this.#queue.bury(refusal);
      const answer = replyTo(verdict, refusals);
      if (answer) reply?.(answer);
      this.#queue.settle(this, message);
    }
    this.#open--;
    this.#settled?.();
  }
}
