import { createPool } from '@presence/adapters/postgres';
import { eventually } from '@presence/test-services';
import { expect } from 'chai';
import { describeWorker, SETTINGS } from './running-worker.js';

/** Nobody gives up waiting for a lock while a test looks. */
const PATIENT = { lock: 20_000, statement: 25_000 };

describeWorker('A worker with a flush under way', (under) => {
  const { start, publish, row, showsOnline } = under;
  const transaction = async () => {
    const client = await under.pool.connect();
    await client.query('BEGIN');
    return client;
  };
  let other: Awaited<ReturnType<typeof transaction>>;

  before(async () => {
    await under.pool.end();
    const { url } = under.database;
    under.pool = createPool({ url, size: 10, applicationName: 'patient', timeouts: PATIENT });
  });

  beforeEach(async () => {
    other = await transaction();
  });

  /** Ends what it has locked, should a test not have come to that. */
  afterEach(() => other.release(true));

  const lockRow = (userId: number) =>
    other.query('SELECT FROM user_presence WHERE user_id = $1 FOR UPDATE', [userId]);

  const heartbeats = (...userIds: readonly number[]) =>
    publish(
      'batch',
      userIds.map((user_id) => ({ type: 'heartbeat', user_id })),
    );

  /** Until so many flushes wait for what `other` has locked. */
  const areStuck = (flushes: number) =>
    eventually(async () => {
      const { rows } = await under.pool.query(`SELECT FROM pg_stat_activity
        WHERE datname = current_database() AND wait_event_type = 'Lock'`);
      return rows.length === flushes;
    });

  /** For as long as it takes to ask ten times: a write would be there. */
  const isUnseen = async (userId: number) => {
    for (let turn = 0; turn < 10; turn++) {
      expect((await row(userId))?.lastSeen, 'not written yet').to.equal(null);
    }
  };

  /** The events that lie in the queue: beside them may be what the worker said of its progress. */
  const left = async () => {
    const events: unknown[] = [];
    const source = under.broker.source({ maxClockSkew: SETTINGS.maxClockSkew });
    await source.start(async (delivery) => {
      events.push(...delivery.events);
      return { kind: 'settled', refusals: [], reply: null };
    });
    await eventually(() => under.broker.waiting === 0);
    await source.close(1_000);
    return events;
  };

  const setAway = (userId: number) => {
    const event = { type: 'status_set', userId, status: 'away', sessionId: '' } as const;
    const publisher = under.broker.publisher();
    const submitted = publisher.submit({ ...event, occurredAt: Date.now() }, 20_000);
    return submitted.finally(() => publisher.close(1_000));
  };

  it('writes meanwhile what a sender waits for', async () => {
    await lockRow(1);
    await start();
    heartbeats(1);
    await areStuck(1);
    expect((await setAway(2)).outcome).to.equal('committed');
    await isUnseen(1);
    await other.query('ROLLBACK');
    await showsOnline(1);
  });

  it('writes meanwhile as many events as are written at once', async () => {
    await lockRow(1);
    await start({ batch: { ...SETTINGS.batch, maxUsers: 2 } });
    heartbeats(1, 2);
    await areStuck(1);
    heartbeats(3, 4);
    await showsOnline(3);
    await showsOnline(4);
    await isUnseen(1);
    await other.query('ROLLBACK');
    await showsOnline(1);
    await showsOnline(2);
  });

  it('has no more of them under way than it is told to', async () => {
    await lockRow(1);
    await start({ batch: { ...SETTINGS.batch, maxUsers: 2, concurrency: 1 } });
    heartbeats(1, 2);
    await areStuck(1);
    heartbeats(3, 4);
    await eventually(() => under.broker.waiting === 0);
    await isUnseen(3);
    await other.query('ROLLBACK');
    await showsOnline(1);
    await showsOnline(3);
  });

  it('knows the user whom an earlier event creates', async () => {
    await other.query('LOCK TABLE users IN EXCLUSIVE MODE');
    await start({ unknownUsers: 'create' });
    publish('heartbeat', { type: 'heartbeat', user_id: 77, username: 'seven' });
    await areStuck(1);
    const submitted = setAway(77);
    await eventually(() => under.broker.waiting === 0);
    await other.query('ROLLBACK');
    expect((await submitted).outcome).to.equal('committed');
    expect(under.dead()).to.deep.equal([]);
  });

  it('writes all that is under way before it stops', async () => {
    await lockRow(1);
    await lockRow(3);
    await start({ batch: { ...SETTINGS.batch, maxUsers: 2, maxWait: 60_000 } });
    heartbeats(1, 2);
    heartbeats(3, 4);
    await areStuck(2);
    heartbeats(2);
    await eventually(() => under.broker.waiting === 0);
    const stopped = under.worker.stop();
    await isUnseen(1);
    await other.query('ROLLBACK');
    await stopped;
    for (const userId of [1, 2, 3, 4]) expect((await row(userId))?.status).to.equal('online');
    expect(await left(), 'handed back').to.deep.equal([]);
  });
});
