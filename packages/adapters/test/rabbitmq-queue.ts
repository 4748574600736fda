import { RabbitmqBroker, type RabbitmqOptions } from '@presence/adapters/rabbitmq';
import { eventually, services } from '@presence/test-services';
import { type Channel, type ChannelModel, connect } from 'amqplib';
import type { QueueUnderTest } from './queue-contract.js';

export const EXCHANGES = ['presence.events', 'presence.changes', 'presence.dead'];
export const QUEUES = ['presence.writer', 'presence.dead'];

/** An operator's own connection to the broker of the tests. */
export class Operator {
  private constructor(
    private readonly model: ChannelModel,
    readonly channel: Channel,
  ) {}

  static async connect(): Promise<Operator> {
    const model = await connect((await services()).amqpUrl);
    model.on('error', () => {});
    return new Operator(model, await model.createChannel());
  }

  /** Takes away everything of ours, so that every test begins with nothing. */
  async clear(): Promise<void> {
    for (const queue of QUEUES) await this.channel.deleteQueue(queue);
    for (const exchange of EXCHANGES) await this.channel.deleteExchange(exchange);
  }

  /** Takes every message out of a queue. */
  async drain(queue: string) {
    const messages = [];
    for (;;) {
      const message = await this.channel.get(queue, { noAck: true });
      if (!message) return messages;
      messages.push(message);
    }
  }

  async close(): Promise<void> {
    await this.model.close();
  }
}

export async function rabbitmqBroker(options: Partial<RabbitmqOptions> = {}) {
  const { amqpUrl } = await services();
  return new RabbitmqBroker({ urls: [amqpUrl], ...options });
}

export async function rabbitmqQueue(): Promise<QueueUnderTest> {
  const operator = await Operator.connect();
  await operator.clear();
  const broker = await rabbitmqBroker();
  const { channel } = operator;
  let subscription = '';
  return {
    publisher: () => broker.publisher(),
    source: (options = {}) => broker.source({ maxClockSkew: 15_000, ...options }),
    ticker: () => broker.ticker(),
    changes: broker.changes(),
    deadLetters: broker.deadLetters(),
    start: async () => {
      broker.start();
      await eventually(() => broker.connected);
      if (subscription !== '') return;
      subscription = (await channel.assertQueue('', { exclusive: true })).queue;
      await channel.bindQueue(subscription, 'presence.changes', '#');
    },
    publish: async (routingKey, body) => {
      channel.publish('presence.events', routingKey, Buffer.from(body));
    },
    dead: async () => {
      const letters = await operator.drain('presence.dead');
      return letters.map(({ properties, content }) => ({
        reason: String(properties.headers?.['x-presence-reason']),
        body: content.toString(),
      }));
    },
    announced: async () => {
      const messages = await operator.drain(subscription);
      return messages.map(({ fields, properties, content }) => ({
        routingKey: fields.routingKey,
        messageId: String(properties.messageId),
        body: JSON.parse(content.toString()) as unknown,
      }));
    },
    close: async () => {
      await broker.close();
      await operator.clear();
      await operator.close();
    },
  };
}
