import { MemoryBroker } from '@presence/adapters/memory';
import { describeQueue, type QueueUnderTest } from './queue-contract.js';
import { rabbitmqQueue } from './rabbitmq-queue.js';

async function memoryQueue(): Promise<QueueUnderTest> {
  const broker = new MemoryBroker();
  const announced: Awaited<ReturnType<QueueUnderTest['announced']>> = [];
  const changes = broker.changes();
  changes.subscribe(({ routingKey, messageId, body }) => {
    announced.push({ routingKey, messageId, body: JSON.parse(body.toString()) });
  });
  let buried = 0;
  return {
    publisher: () => broker.publisher(),
    source: (options = {}) => broker.source({ maxClockSkew: 15_000, ...options }),
    ticker: () => broker.ticker(),
    changes,
    deadLetters: broker.deadLetters(),
    start: async () => broker.start(),
    publish: async (routingKey, body) => broker.publish({ routingKey, body: Buffer.from(body) }),
    dead: async () => {
      const letters = broker.dead.slice(buried);
      buried += letters.length;
      return letters.map(({ reason, body }) => ({ reason, body: body.toString() }));
    },
    announced: async () => announced.splice(0),
    close: () => broker.close(),
  };
}

describeQueue('in this process', memoryQueue);
describeQueue('RabbitMQ', rabbitmqQueue);
