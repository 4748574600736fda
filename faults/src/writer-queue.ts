import { WRITER_QUEUE } from '@presence/adapters/wire';
import type { RabbitServer } from '@presence/test-services';
import { connect, type Replies } from 'amqplib';

/** What the broker says of the queue that workers take from. */
export class WriterQueue {
  readonly #broker: RabbitServer;

  constructor(broker: RabbitServer) {
    this.#broker = broker;
  }

  /** Messages that no worker has yet. */
  async queued(): Promise<number> {
    return (await this.#declared()).messageCount;
  }

  /** How many workers take from it. */
  async consumers(): Promise<number> {
    return (await this.#declared()).consumerCount;
  }

  /** Messages that no worker has yet, and those that workers hold. */
  queuedAndHeld(): Promise<number> {
    return this.#ask('query_messages_total');
  }

  /** How many messages workers hold. */
  held(): Promise<number> {
    return this.#ask('query_messages_checked_out');
  }

  async #declared(): Promise<Replies.AssertQueue> {
    const model = await connect(this.#broker.url);
    try {
      const channel = await model.createChannel();
      channel.on('error', () => {}); // Whoever awaits the answer is told.
      return await channel.checkQueue(WRITER_QUEUE);
    } finally {
      await model.close().catch(() => {}); // A missing queue has closed it.
    }
  }

  /** Of the queue itself: what `list_queues` says is up to five seconds old. */
  async #ask(query: string): Promise<number> {
    const queue = `{'%2F_${WRITER_QUEUE}', node()}`;
    const text = await this.#broker.ctl(
      'eval',
      `{ok, {_, Count}, _} = ra:leader_query(${queue}, fun rabbit_fifo:${query}/1), Count.`,
    );
    return Number(text);
  }
}
