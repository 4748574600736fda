import { randomBytes } from 'node:crypto';
import { readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { EVENT_TYPES } from '@presence/domain';
import { type RabbitServer, startRabbit } from '@presence/test-services';
import amqp, { type ChannelModel, type ConsumeMessage, type Options } from 'amqplib';
import { expect } from 'chai';
import { ensureTopology } from '../dist/rabbitmq/topology.js';
import { EVENTS_EXCHANGE, eventKey, WRITER_QUEUE } from '../dist/wire/names.js';

/** The very file that compose gives to the broker. */
const DEFINITIONS = fileURLToPath(
  new URL('../../../deploy/rabbitmq/definitions.json', import.meta.url),
);
const PASSWORD = randomBytes(16).toString('hex');

type User = 'presence_api' | 'presence_worker' | 'example_publisher';

describe('The users, permissions and policies that compose gives to the broker', () => {
  let broker: RabbitServer;
  const open: ChannelModel[] = [];

  before(async function () {
    this.timeout(120_000);
    broker = await startRabbit();
    await load(broker);
  });

  afterEach(async () => {
    for (const connection of open.splice(0)) await connection.close();
    await broker.ctl('purge_queue', '-p', 'presence', WRITER_QUEUE);
  });

  after(async () => {
    await broker?.dispose();
  });

  async function as(user: User): Promise<ChannelModel> {
    const { host } = new URL(broker.url);
    const connection = await amqp.connect(`amqp://${user}:${PASSWORD}@${host}/presence`);
    connection.on('error', () => {});
    open.push(connection);
    return connection;
  }

  async function publish(user: User, exchange: string, key: string, headers = {}): Promise<void> {
    const channel = await (await as(user)).createConfirmChannel();
    const refused = new Promise<never>((_, reject) => channel.on('error', reject));
    channel.publish(exchange, key, Buffer.from('{}'), { persistent: true, headers });
    await Promise.race([channel.waitForConfirms(), refused]);
  }

  /** @returns the next message of the writer's queue, neither acknowledged nor handed back */
  async function take(options: Options.Consume = {}): Promise<ConsumeMessage> {
    const channel = await (await as('presence_worker')).createChannel();
    return new Promise((resolve, reject) => {
      channel.on('error', reject);
      const taken = (message: ConsumeMessage | null) => message && resolve(message);
      channel.consume(WRITER_QUEUE, taken, options).catch(reject);
    });
  }

  describe('a publisher that may write presence.heartbeat', () => {
    it('publishes heartbeats', async () => {
      await publish('example_publisher', EVENTS_EXCHANGE, eventKey('heartbeat'));
      expect((await take({ noAck: true })).fields.routingKey).to.equal('presence.heartbeat');
    });

    const others = [...EVENT_TYPES.filter((type) => type !== 'heartbeat').map(eventKey)];
    for (const key of [
      ...others,
      'presence.batch',
      'presence.heartbeat.x',
      'xpresence.heartbeat',
    ]) {
      it(`is refused ${key}`, async () => {
        await expectRefused(publish('example_publisher', EVENTS_EXCHANGE, key));
      });
    }

    it('lends its message no other routing key by a CC header', async () => {
      await publish('example_publisher', EVENTS_EXCHANGE, eventKey('heartbeat'), {
        CC: [eventKey('status_set')],
      });
      expect((await take({ noAck: true })).fields.routingKey).to.equal('presence.heartbeat');
    });

    it('neither writes past the exchange of events, nor announces changes or dead letters', async () => {
      await expectRefused(publish('example_publisher', '', WRITER_QUEUE));
      await expectRefused(publish('example_publisher', 'presence.changes', 'presence.online'));
      await expectRefused(publish('example_publisher', 'presence.dead', ''));
    });

    it('neither reads nor declares anything', async () => {
      const read = await (await as('example_publisher')).createChannel();
      read.on('error', () => {});
      await expectRefused(read.consume(WRITER_QUEUE, () => {}));
      await expectRefused(ensureTopology(await as('example_publisher'), 'declare'));
    });
  });

  describe('the API', () => {
    it('finds the topology complete, and may not change it', async () => {
      await ensureTopology(await as('presence_api'), 'check');
      await expectRefused(ensureTopology(await as('presence_api'), 'declare'));
    });

    it('submits a status_set and gets the reply of the worker', async () => {
      const channel = await (await as('presence_api')).createChannel();
      const reply = new Promise<string | undefined>((resolve) => {
        const replied = (message: ConsumeMessage | null) => resolve(message?.content.toString());
        void channel.consume('amq.rabbitmq.reply-to', replied, { noAck: true });
      });
      channel.publish(EVENTS_EXCHANGE, eventKey('status_set'), Buffer.from('{}'), {
        replyTo: 'amq.rabbitmq.reply-to',
      });
      const { properties } = await take({ noAck: true });
      await publish('presence_worker', '', String(properties.replyTo));
      expect(await reply).to.equal('{}');
    });
  });

  describe('the worker', () => {
    it('declares again what has been deleted', async () => {
      await broker.ctl('delete_queue', '-p', 'presence', WRITER_QUEUE);
      await ensureTopology(await as('presence_worker'), 'declare');
      await ensureTopology(await as('presence_api'), 'check');
    });

    it('publishes changes and dead letters', async () => {
      await publish('presence_worker', 'presence.changes', 'presence.online');
      await publish('presence_worker', 'presence.dead', '');
    });
  });

  describe('the policies', () => {
    it('are in force on both queues', async () => {
      const queues = await broker.ctl('list_queues', '-p', 'presence', 'name', 'policy');
      expect(queues).to.match(/^presence\.writer\s+presence-writer$/m);
      expect(queues).to.match(/^presence\.dead\s+presence-dead$/m);
    });

    it('keep a good message through 25 deliveries without an acknowledgement', async () => {
      await publish('presence_api', EVENTS_EXCHANGE, eventKey('heartbeat'));
      const channel = await (await as('presence_worker')).createChannel();
      await new Promise<void>((resolve) => {
        let deliveries = 0;
        void channel.consume(WRITER_QUEUE, (message) => {
          if (message === null) return;
          if (++deliveries > 25) return resolve();
          channel.nack(message, false, true);
        });
      });
    });
  });
});

/** As the container's start script does it: the passwords put in, then imported. */
async function load(broker: RabbitServer): Promise<void> {
  const definitions = await readFile(DEFINITIONS, 'utf8');
  const file = join(tmpdir(), `presence-definitions-${PASSWORD}.json`);
  try {
    // Readable for the account that the broker's tools run as.
    await writeFile(file, definitions.replaceAll(/\$\{RABBITMQ_\w+_PASSWORD\}/g, PASSWORD));
    await broker.ctl('import_definitions', file);
  } finally {
    await rm(file, { force: true });
  }
}

async function expectRefused(attempt: Promise<unknown>): Promise<void> {
  const outcome = await attempt.then(
    () => 'accepted',
    (error: Error) => error.message,
  );
  expect(outcome).to.include('ACCESS_REFUSED');
}
