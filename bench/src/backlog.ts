import { RabbitmqBroker } from '@presence/adapters/rabbitmq';
import { EVENTS_EXCHANGE, encodeEvent, eventKey } from '@presence/adapters/wire';
import type { EventPublisher } from '@presence/domain';
import { eventually } from '@presence/test-services';
import { connect } from 'amqplib';
import { heartbeat, lots } from './crowd.js';
import { metricsOf } from './metrics.js';
import type { Stage } from './stage.js';

/**
 * Events a message, as an API makes them that takes 12,500 heartbeats a second. The numbers of users
 * are multiples of it: one who came twice in a message would be folded, and be waited for in vain.
 */
const MESSAGE = 500;
/** As many APIs: one alone would need a minute for a million events. */
const PUBLISHERS = 16;
const ON_THE_WAY = 2_000;
const WRITTEN = 'presence_events_written_total';
/** Nobody turns silent between two rounds: heartbeats are measured, not transitions. */
const PATIENT = { OFFLINE_AFTER: '24h' };

/** Puts a heartbeat of each user into the queue, as our publishers do. */
export async function publishBatches(stage: Stage, userIds: readonly number[]): Promise<void> {
  const broker = new RabbitmqBroker({ urls: [stage.broker.url], topology: 'check', name: 'bench' });
  let [recorded, confirmed] = [0, 0];
  const metrics = { confirmed: (count: number) => (confirmed += count) };
  const publishers = Array.from({ length: PUBLISHERS }, () => broker.publisher({ metrics }));
  broker.start();
  await eventually(() => publishers.every(({ connected }) => connected));
  for (const messages of lots([...lots(userIds, MESSAGE)], PUBLISHERS)) {
    for (const [at, message] of messages.entries()) {
      record(publishers[at]!, message);
      recorded += message.length;
    }
    await eventually(() => confirmed >= recorded, { within: 60_000, every: 5 });
  }
  await Promise.all(publishers.map((publisher) => publisher.close(5_000)));
  await broker.close();
}

function record(publisher: EventPublisher, userIds: readonly number[]): void {
  for (const userId of userIds) {
    const { userId: user, ...event } = heartbeat(userId);
    publisher.record({ ...event, user });
  }
}

/** The same, a message for each event, as another service does. */
export async function publishSingles(stage: Stage, userIds: readonly number[]): Promise<void> {
  const connection = await connect(stage.broker.url);
  const channel = await connection.createConfirmChannel();
  for (const lot of lots(userIds, ON_THE_WAY)) {
    for (const userId of lot) {
      const event = heartbeat(userId);
      const body = Buffer.from(encodeEvent(event));
      const properties = { persistent: true, contentType: 'application/json' };
      channel.publish(EVENTS_EXCHANGE, eventKey(event.type), body, properties);
    }
    await channel.waitForConfirms();
  }
  await connection.close();
}

type Settings = Readonly<Record<string, string>>;

/**
 * Starts workers, one of each settings, and lets them write what lies in their queues.
 * @returns events a second, from the first to the last
 */
export async function drain(
  stage: Stage,
  events: number,
  settings: readonly Settings[] = [{}],
): Promise<number> {
  const workers = await Promise.all(
    settings.map((own) => stage.system.spawnWorker({ ...PATIENT, ...own })),
  );
  const written = async () => {
    const counts = await Promise.all(workers.map(({ opsUrl }) => writtenBy(opsUrl)));
    return counts.reduce((sum, count) => sum + count, 0);
  };
  let first = { at: 0, count: 0 };
  await eventually(
    async () => {
      first = { at: performance.now(), count: await written() };
      return first.count > 0;
    },
    { within: 30_000, every: 10 },
  );
  await eventually(async () => (await written()) >= events, { within: 600_000, every: 50 });
  const seconds = (performance.now() - first.at) / 1_000;
  await Promise.all(workers.map(({ process }) => process.end('SIGTERM')));
  return (events - first.count) / seconds;
}

/** Nothing while it does not answer yet. */
async function writtenBy(opsUrl: string): Promise<number> {
  const figure = await metricsOf(opsUrl).catch(() => () => 0);
  return figure(WRITTEN);
}
