import { type Carrier, messageFaults } from '@presence/adapters/wire';
import { type ChannelModel, type ConsumeMessage, connect } from 'amqplib';

/** Sees every message that goes over the exchanges, and holds each against the contract. */
export class MessageTap {
  readonly #connection: ChannelModel;
  readonly seen: Record<string, number> = {};
  readonly faults: string[] = [];

  private constructor(connection: ChannelModel) {
    this.#connection = connection;
  }

  /** To be called once the exchanges exist. */
  static async open(url: string): Promise<MessageTap> {
    const connection = await connect(url);
    const tap = new MessageTap(connection);
    const channel = await connection.createChannel();
    const { queue } = await channel.assertQueue('', { exclusive: true });
    for (const exchange of ['presence.events', 'presence.changes']) {
      await channel.bindQueue(queue, exchange, '#');
    }
    await channel.consume(queue, (message) => message && tap.#check(message), { noAck: true });
    return tap;
  }

  async close(): Promise<void> {
    await this.#connection.close();
  }

  #check({ fields: { exchange, routingKey }, content }: ConsumeMessage): void {
    this.seen[exchange] = (this.seen[exchange] ?? 0) + 1;
    const faults = messageFaults(exchange as Carrier, routingKey, content);
    this.faults.push(...faults.map((fault) => `${exchange} ${routingKey} ${content}: ${fault}`));
  }
}
