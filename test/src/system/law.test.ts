import { type ChannelModel, type ConfirmChannel, connect } from 'amqplib';
import { expect } from 'chai';
import pg from 'pg';
import type { Child } from '../child.js';
import { eventually } from '../eventually.js';
import { foldOf, type Message, randomLog, randomMessages, rowText } from './random-log.js';
import { RunningSystem } from './running-system.js';

/** By hand: LAW_EVENTS=100000 npm test -- test/dist/system/law.test.js */
const EVENTS = Number(process.env.LAW_EVENTS ?? 5_000);
/** By hand: the seed that a failure names. */
const SEED = Number(process.env.LAW_SEED ?? Date.now() % 1_000_000);
const USERS = 300;
const QUEUE = 'presence.writer';

/** Long silence: what rows show is then what the greatest event says. */
const SETTINGS = { OFFLINE_AFTER: '24h' };

describe(`The law, on real RabbitMQ and PostgreSQL (LAW_SEED=${SEED})`, function () {
  this.timeout(600_000);
  let system: RunningSystem;
  let database: pg.Client;
  let connection: ChannelModel;
  let channel: ConfirmChannel;
  let workers: Child[];

  before(async () => {
    system = await RunningSystem.start(SETTINGS);
    database = new pg.Client({ connectionString: system.database.url });
    await database.connect();
    await (await system.startWorker()).end('SIGTERM'); // It has declared the queue.
    connection = await connect(system.amqpUrl);
    channel = await connection.createConfirmChannel();
  });

  after(async () => {
    await connection.close();
    await database.end();
    await system.stop();
  });

  beforeEach(async () => {
    await database.query(`
      DELETE FROM users; DELETE FROM ended_sessions;
      INSERT INTO users (id, issuer, subject, username, role)
        SELECT id, 'presence', id::text, 'user' || id, 'user' FROM generate_series(1, ${USERS}) id;
      INSERT INTO user_presence (user_id) SELECT id FROM users`);
  });

  /** Workers with batches of different sizes. */
  function startWorker(at: number): Promise<Child> {
    return system.startWorker({
      BATCH_MAX_USERS: String([90, 1_000, 7, 300][at % 4]),
      BATCH_MAX_WAIT: `${[20, 0, 5, 50][at % 4]}ms`,
      BATCH_CONCURRENCY: String([4, 1, 3, 2][at % 4]),
    });
  }

  /** The first worker dies over some of the messages each time; they are delivered again. */
  async function carry(messages: readonly Message[], count: number, deaths: number): Promise<void> {
    const share = Math.ceil(messages.length / (deaths + 1));
    const begun = Array.from({ length: count }, (_, at) => startWorker(at));
    await publish(messages.slice(0, share));
    workers = await Promise.all(begun);
    for (let death = 1; death <= deaths; death++) {
      await publish(messages.slice(death * share, (death + 1) * share));
      await workers[0]!.kill();
      workers[0] = await startWorker(death);
    }
  }

  async function publish(messages: readonly Message[]): Promise<void> {
    const properties = { persistent: true, contentType: 'application/json' };
    for (const { key, body } of messages) {
      if (!channel.publish('presence.events', key, body, properties)) {
        await new Promise((resolve) => channel.once('drain', resolve));
      }
    }
    await channel.waitForConfirms();
  }

  /** Nothing is in the queue, and nothing in anybody's hands. */
  async function drained(): Promise<void> {
    await eventually(async () => (await waiting()) === 0, { within: 300_000, every: 100 });
    await Promise.all(workers.map((worker) => worker.end('SIGTERM')));
    // Whoever still held something has handed it back.
    if ((await waiting()) === 0) return;
    workers = [await system.startWorker()];
    await drained();
  }

  async function waiting(): Promise<number> {
    return (await channel.checkQueue(QUEUE)).messageCount;
  }

  async function rows(): Promise<Map<number, string>> {
    const { rows: found } = await database.query(
      `SELECT user_id::int AS id, (extract(epoch FROM last_seen) * 1000)::float AS "lastSeen",
         explicit, online_status AS status, session_id AS "sessionId"
       FROM user_presence ORDER BY user_id`,
    );
    return new Map(found.map((row) => [row.id, rowText(row)]));
  }

  const ways = [
    { count: 1, deaths: 1 },
    { count: 2, deaths: 0 },
    { count: 4, deaths: 3 },
  ];
  for (const [at, { count, deaths }] of ways.entries()) {
    it(`${EVENTS} events, shuffled, repeated and split, through ${count} workers of which one dies ${deaths} times, end in the rows of their fold`, async () => {
      const log = randomLog({ size: EVENTS, users: USERS, epoch: Date.now() - 60_000 }, SEED + at);
      await carry(randomMessages(log, SEED + at), count, deaths);
      await drained();
      expect(await rows()).to.deep.equal(foldOf(log, USERS));
    });
  }

  it('refused none of these events', async () => {
    expect((await channel.checkQueue('presence.dead')).messageCount).to.equal(0);
  });
});
