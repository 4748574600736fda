import type { DeadLetterPublisher, EventPublisher, EventSource, Ticker } from '@presence/domain';
import { type PublisherOptions, QueuePublisher } from '../publishing/queue-publisher.js';
import { encodeBatches, encodeRefused } from '../wire/encode.js';
import { BATCH_KEY } from '../wire/names.js';
import { MemoryChanges } from './memory-changes.js';
import { MemoryOutlet } from './memory-outlet.js';
import { type DeadLetter, MemoryQueue, type QueuedMessage } from './memory-queue.js';
import { MemorySource, type MemorySourceOptions } from './memory-source.js';

/**
 * The broker of a process that has none: the same bytes through the same decoder, gone with the
 * process. It is used as RabbitmqBroker is.
 */
export class MemoryBroker {
  readonly connected = true;
  readonly blocked = false;
  readonly #queue = new MemoryQueue();
  readonly #changes = new MemoryChanges();

  publisher(options: PublisherOptions = {}): EventPublisher {
    return new QueuePublisher(new MemoryOutlet(this.#queue), options);
  }

  source(options: MemorySourceOptions): EventSource {
    return new MemorySource(this.#queue, options);
  }

  /** Also lets others of this process listen. */
  changes(): MemoryChanges {
    return this.#changes;
  }

  deadLetters(): DeadLetterPublisher {
    return {
      publish: async (refused) => {
        for (const one of refused) this.#queue.bury(encodeRefused(one));
      },
    };
  }

  ticker(): Ticker {
    const body = encodeBatches([])[0]!.body;
    return {
      tick: async (progress) => this.#queue.put({ routingKey: BATCH_KEY, body, progress }),
    };
  }

  /** Puts a message in the queue as another service would. */
  publish(message: Pick<QueuedMessage, 'routingKey' | 'body'>): void {
    this.#queue.put(message);
  }

  /** The latest thousand dead letters, oldest first. */
  get dead(): readonly DeadLetter[] {
    return this.#queue.dead;
  }

  /** How many messages wait. */
  get waiting(): number {
    return this.#queue.waiting;
  }

  start(): void {}

  async close(): Promise<void> {}
}
