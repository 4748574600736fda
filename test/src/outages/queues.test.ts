import { setTimeout as wait } from 'node:timers/promises';
import { type Channel, type ChannelModel, connect } from 'amqplib';
import { expect } from 'chai';
import pg from 'pg';
import type { Child } from '../child.js';
import { createDatabase } from '../database.js';
import { eventually } from '../eventually.js';
import { type RabbitServer, type Server, startPostgres, startRabbit } from '../index.js';
import { declareSecondQueue, SECOND_QUEUE, splitQueue } from '../second-queue.js';
import { ADD_PEOPLE, addPeopleValues, peopleFrom } from '../system/people.js';
import { RunningSystem } from '../system/running-system.js';

/** Short: so as-of moves on 15 s after a stall that is no loss. */
const SETTINGS = { HEARTBEAT_INTERVAL: '10s', OFFLINE_AFTER: '21s' };
const CHECK = { AMQP_TOPOLOGY: 'check' };
const TALKERS = 20;
/**
 * A gap counts as lost after 30 s, and its publisher begins anew. That comes to pass four times, and
 * each time the first word of it goes to the other queue or does not.
 */
const OUTAGE = Math.max(150, Number(process.env.OUTAGE_SECONDS ?? 0)) * 1_000;

/** Another service speaks: none of its messages says what came before. */
describe('Two queues, of which one loses its only worker', function () {
  this.timeout(OUTAGE + 240_000);
  let broker: RabbitServer;
  let postgres: Server;
  let system: RunningSystem;
  let database: pg.Client;
  let connection: ChannelModel;
  let channel: Channel;
  let second: Child;
  let talkers: number[] = [];
  let speaking: NodeJS.Timeout | undefined;

  before(async () => {
    [broker, postgres] = await Promise.all([startRabbit(), startPostgres()]);
    await broker.enable('rabbitmq_consistent_hash_exchange');
    system = await RunningSystem.start(SETTINGS, {
      amqpUrl: broker.url,
      databaseUrl: postgres.url,
      createDatabase: () => createDatabase(postgres.url, { empty: true }),
    });
    await (await system.startWorker()).end('SIGTERM'); // Tables and queues are there now.
    connection = await connect(broker.url);
    channel = await connection.createChannel();
    await declareSecondQueue(channel);
    await splitQueue(channel);
    await system.startWorker(CHECK);
    second = await startSecond();
    database = new pg.Client({ connectionString: system.database.url });
    await database.connect();
    const people = peopleFrom(1, TALKERS);
    await database.query(ADD_PEOPLE, addPeopleValues(people));
    talkers = people.map(({ userId }) => userId);
    speaking = setInterval(() => talkers.forEach(speak), 1_000);
  });

  after(async () => {
    clearInterval(speaking);
    await connection?.close();
    await database?.end();
    await system?.stop();
    await Promise.all([broker?.dispose(), postgres?.dispose()]);
  });

  function startSecond(): Promise<Child> {
    return system.startWorker({ ...CHECK, AMQP_QUEUE: SECOND_QUEUE });
  }

  /** All messages of one user go to one queue. */
  function speak(userId: number): void {
    const event = { type: 'heartbeat', user_id: userId, occurred_at: new Date().toISOString() };
    const content = Buffer.from(JSON.stringify(event));
    const options = { persistent: true, messageId: `of ${userId}` };
    channel.publish('presence.events', 'presence.heartbeat', content, options);
  }

  async function offline(): Promise<number[]> {
    const { rows } = await database.query<{ id: number }>(
      `SELECT user_id::int AS id FROM user_presence WHERE online_status = 'offline'`,
    );
    return rows.map(({ id }) => id);
  }

  /** For how long the row of whoever speaks on has said nothing new, at the longest. */
  async function silence(): Promise<number> {
    const { rows } = await database.query<{ silence: number }>(
      `SELECT (extract(epoch FROM clock_timestamp() - min(last_seen)) * 1000)::float AS silence
       FROM user_presence`,
    );
    return rows[0]!.silence;
  }

  it('turns nobody offline whose events lie there, and who leaves is offline when it has one again', async () => {
    await eventually(async () => expect(await offline()).to.deep.equal([]), { within: 10_000 });
    await second.kill();
    for (const until = performance.now() + OUTAGE; performance.now() < until; await wait(200)) {
      expect(await offline(), 'speak on, and are').to.deep.equal([]);
    }
    expect(await silence(), 'nobody speaks to that queue').to.be.above(OUTAGE - 5_000);
    const leavers = talkers.splice(0, TALKERS / 2);
    await startSecond();
    let gone: number[] = [];
    const back = performance.now();
    for (; gone.length < leavers.length; await wait(200)) {
      gone = await offline();
      expect(leavers).to.include.members(gone);
      expect(performance.now() - back, 'until who has left is offline').to.be.below(120_000);
    }
  });
});
