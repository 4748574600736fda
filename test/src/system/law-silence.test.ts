import { setTimeout as wait } from 'node:timers/promises';
import { type ChannelModel, type ConfirmChannel, connect } from 'amqplib';
import { expect } from 'chai';
import pg from 'pg';
import type { Child } from '../child.js';
import { eventually } from '../eventually.js';
import { RunningSystem } from './running-system.js';

/** By hand: SILENT_USERS=1000000 npm test -- test/dist/system/law-silence.test.js */
const USERS = Number(process.env.SILENT_USERS ?? 10_000);
/** The contract's pace, for rows and changes: 5 s for up to 20,000, then 10,000 a second. */
const WITHIN = Math.max(5_000, USERS / 10);
/** A heartbeat's way to its row, and what looking for it costs. */
const HEARTBEAT_WITHIN = 1_000;
/** Heartbeats before anything is measured: the first ones of a process are slow. */
const WARM = 30;

describe(`${USERS} users who fall silent together`, function () {
  this.timeout(600_000);
  let system: RunningSystem;
  let database: pg.Client;
  let connection: ChannelModel;
  let channel: ConfirmChannel;
  let announced = 0;
  let lastAnnouncedAt = 0;

  before(async () => {
    system = await RunningSystem.start();
    await (await system.startWorker()).end('SIGTERM'); // Tables and queues are there now.
    database = new pg.Client({ connectionString: system.database.url });
    await database.connect();
    connection = await connect(system.amqpUrl, { noDelay: true });
    channel = await connection.createConfirmChannel();
    await listen();
  });

  after(async () => {
    await connection.close();
    await database.end();
    await system.stop();
  });

  async function listen(): Promise<void> {
    const { queue } = await channel.assertQueue('', { exclusive: true });
    await channel.bindQueue(queue, 'presence.changes', 'presence.offline');
    await channel.consume(
      queue,
      () => {
        announced++;
        lastAnnouncedAt = performance.now();
      },
      { noAck: true },
    );
  }

  /** Everybody, and one more who will speak on. */
  async function addUsers(): Promise<void> {
    await database.query(`
      INSERT INTO users (id, issuer, subject, username, role)
        SELECT id, 'presence', id::text, 'user' || id, 'user'
        FROM generate_series(1, ${USERS} + 1) id`);
    await database.query(`INSERT INTO user_presence (user_id) VALUES (${USERS} + 1)`);
  }

  /** All of them are online by the row, and silent for longer than they may, from one COMMIT on. */
  async function fallSilent(): Promise<void> {
    await database.query(`
      BEGIN;
      INSERT INTO user_presence (user_id, last_seen, online_status, declared)
        SELECT id, now() - interval '1 hour', 'online', 'online' FROM users WHERE id <= ${USERS};
      ANALYZE user_presence;
      COMMIT`);
  }

  /** From the far end of the index that the sweep reads: looking costs it nothing. */
  async function allWritten(): Promise<boolean> {
    const { rowCount } = await database.query(
      `SELECT FROM user_presence
       WHERE online_status <> 'offline' AND last_seen < now() - interval '30 minutes'
       ORDER BY online_status DESC, last_seen, user_id DESC LIMIT 1`,
    );
    return rowCount === 0;
  }

  /** One user's heartbeats, from the queue to the row, one after the other. */
  async function speak(took: number[], signal: AbortSignal): Promise<void> {
    const looking = new pg.Client({ connectionString: system.database.url });
    await looking.connect();
    while (!signal.aborted) took.push(await beat(looking));
    await looking.end();
  }

  async function beat(looking: pg.Client): Promise<number> {
    const begun = performance.now();
    const at = new Date().toISOString();
    const event = { type: 'heartbeat', user_id: USERS + 1, occurred_at: at };
    channel.publish('presence.events', 'presence.heartbeat', Buffer.from(JSON.stringify(event)));
    const seen = async () => {
      const { rowCount } = await looking.query(
        'SELECT FROM user_presence WHERE user_id = $1 AND last_seen >= $2',
        [USERS + 1, at],
      );
      return rowCount === 1;
    };
    await eventually(seen, { within: 30_000, every: 2 });
    const took = performance.now() - begun;
    await wait(20);
    return took;
  }

  it('are offline in rows and on presence.changes at the pace of the contract, and hold nobody else up', async () => {
    await addUsers();
    const over = new AbortController();
    const took: number[] = [];
    const workers: Child[] = await Promise.all([system.startWorker(), system.startWorker()]);
    const speaking = speak(took, over.signal);
    await eventually(() => took.length >= WARM, { within: 30_000 });
    await fallSilent();
    const begun = performance.now();
    took.length = 0;
    await eventually(allWritten, { within: 3 * WITHIN, every: 100 });
    const written = performance.now() - begun;
    await eventually(() => announced >= USERS, { within: 3 * WITHIN, every: 20 });
    const toldAfter = lastAnnouncedAt - begun;
    over.abort();
    await speaking;
    took.sort((a, b) => a - b);
    const slowest = took.at(-1)!;
    if (process.env.SILENT_USERS !== undefined) {
      const share = (part: number) => took[Math.floor(took.length * part)];
      const later: number[] = [];
      await speak(later, AbortSignal.timeout(5_000));
      const afterwards = Math.max(...later);
      const heldUp = slowest - afterwards;
      const heartbeats = { median: share(0.5), p99: share(0.99), slowest, afterwards, heldUp };
      process.stderr.write(`      ${JSON.stringify({ written, toldAfter, heartbeats })}\n`);
    }
    for (const worker of workers) expect(worker.running, worker.output).to.equal(true);
    expect(written, 'rows').to.be.below(WITHIN);
    expect(toldAfter, 'changes').to.be.below(WITHIN);
    expect(slowest, 'a heartbeat of somebody else').to.be.below(HEARTBEAT_WITHIN);
  });
});
