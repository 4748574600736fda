import { randomBytes, randomUUID } from 'node:crypto';
import { PostgresSessionStore } from '@presence/adapters/postgres';
import { eventually } from '@presence/test-services';
import { startWorker } from '@presence/worker';
import { expect } from 'chai';
import { pino } from 'pino';
import { Registry } from 'prom-client';
import { describeWorker, SETTINGS } from './running-worker.js';

describeWorker('A worker', (under) => {
  const { start, publish, row, showsOnline } = under;

  it('commits what other services publish, by number or by identity', async () => {
    await start();
    publish('heartbeat', { type: 'heartbeat', user_id: 1 });
    publish('activity', {
      type: 'activity',
      issuer: 'idp',
      subject: 'subject-2',
      source: 'billing',
    });
    await showsOnline(1);
    await showsOnline(2);
  });

  it('asks for as many messages at once as it is told to', async () => {
    const asked: (number | undefined)[] = [];
    const source = under.broker.source.bind(under.broker);
    under.broker.source = (options) => {
      asked.push(options.prefetch);
      return source(options);
    };
    await start({ prefetch: 2 });
    expect(asked).to.deep.equal([2]);
  });

  it('waits for no company where it may hold no more', async () => {
    await start({ prefetch: 2, batch: { ...SETTINGS.batch, maxWait: 60_000 } });
    for (const user_id of [1, 2, 3, 4]) publish('heartbeat', { type: 'heartbeat', user_id });
    for (const userId of [1, 2, 3, 4]) await showsOnline(userId);
    expect(under.broker.waiting).to.equal(0);
  });

  it('announces each change after its commit, in order of version by user', async () => {
    await start();
    const at = new Date().toISOString();
    publish('login', { type: 'login', user_id: 1, occurred_at: at });
    await eventually(() => under.changes.at(-1)?.to === 'online');
    publish('logout', {
      type: 'logout',
      user_id: 1,
      occurred_at: new Date(Date.now() + 5).toISOString(),
    });
    await eventually(() => under.changes.at(-1)?.to === 'offline');
    const versions = under.changes.map(({ version }) => version);
    expect(versions).to.deep.equal(versions.toSorted((a, b) => a - b));
    expect(under.changes.at(-1)).to.include({ user_id: 1, cause: 'logout' });
  });

  async function openSession(
    userId = 1,
    times = { at: Date.now(), expiresAt: Date.now() + 60_000 },
  ): Promise<void> {
    const sessions = new PostgresSessionStore(under.pool, {
      ...SETTINGS,
      rememberSessions: 86_400_000,
    });
    const refreshHash = randomBytes(32);
    const passwordHash = 'hash';
    await under.pool.query('UPDATE users SET password_hash = $2 WHERE id = $1', [
      userId,
      passwordHash,
    ]);
    await sessions.open({ ...times, sessionId: randomUUID(), refreshHash, userId, passwordHash });
  }

  it('announces what others have committed, an API say', async () => {
    await start();
    await eventually(() => under.worker.reached.database);
    await openSession();
    await eventually(() =>
      under.changes.some(({ user_id, to }) => user_id === 1 && to === 'online'),
    );
  });

  it('announces it even where it cannot look what else is due', async () => {
    await start();
    await eventually(() => under.worker.reached.database);
    const other = await under.pool.connect();
    try {
      await other.query('BEGIN');
      await other.query('LOCK TABLE presence_inbox');
      await openSession();
      await eventually(() =>
        under.changes.some(({ user_id, to }) => user_id === 1 && to === 'online'),
      );
    } finally {
      await other.query('ROLLBACK');
      other.release();
    }
  });

  it('writes the end of silence, measured against as-of', async () => {
    await start({ offlineAfter: 1_500 });
    publish('heartbeat', { type: 'heartbeat', user_id: 1 });
    await showsOnline(1);
    await eventually(() => under.changes.some(({ cause }) => cause === 'expired'));
    expect((await row(1))?.status).to.equal('offline');
  });

  it('misses a broker that it can take from and not put into', async () => {
    const half = {
      connected: false,
      blocked: false,
      source: (options: { maxClockSkew: number }) => under.broker.source(options),
      ticker: () => under.broker.ticker(),
      changes: () => under.broker.changes(),
      deadLetters: () => under.broker.deadLetters(),
    };
    const surroundings = {
      pool: under.pool,
      broker: half,
      registry: new Registry(),
      logger: pino({ level: 'silent' }),
    };
    under.worker = await startWorker(surroundings, SETTINGS);
    await eventually(() => under.worker.reached.database);
    expect(under.worker.reached.broker).to.equal(false);
    expect(under.worker.hasStarted).to.equal(false);
  });

  it('stops beside a broker that confirms nothing, and as-of no longer waits for it', async () => {
    let confirm = () => {};
    const asked = new Promise<void>((resolve) => {
      under.broker.deadLetters = () => ({
        publish: () => {
          resolve();
          return new Promise((done) => {
            confirm = done;
          });
        },
      });
    });
    await start();
    await eventually(async () => (await under.workers()).length === 1);
    await under.pool.query(
      `INSERT INTO presence_inbox (user_id, type, occurred_at, status, session_id, refused)
       VALUES (2, 'heartbeat', now(), 'online', '', '23514')`,
    );
    await asked;
    try {
      await under.worker.stop();
      expect(await under.workers()).to.deep.equal([]);
    } finally {
      confirm();
    }
  });

  it('forgets ended sessions whose time is over, however many', async () => {
    await under.pool.query(`
      INSERT INTO ended_sessions (user_id, session_id, tokens_until, expires_at)
      SELECT 1, id, now(), now() - interval '1 hour' FROM generate_series(1, 10001) id`);
    await start();
    await eventually(async () => {
      const { rows } = await under.pool.query('SELECT FROM ended_sessions LIMIT 1');
      return rows.length === 0;
    });
  });

  describe('with a clock of its own', () => {
    const { now } = Date;
    const isAheadBy = (millis: number) => {
      Date.now = () => now() + millis;
    };
    afterEach(() => {
      Date.now = now;
    });

    it('that is behind, refuses nothing that has happened', async () => {
      isAheadBy(-60_000);
      await start();
      const occurred_at = new Date(now()).toISOString();
      publish('heartbeat', { type: 'heartbeat', user_id: 1, occurred_at });
      await showsOnline(1);
      expect(under.dead()).to.deep.equal([]);
    });

    it('that is ahead, ends no session before its time', async () => {
      await openSession(1, { at: now() - 7_200_000, expiresAt: now() + 3_600_000 });
      await openSession(2, { at: now() - 7_200_000, expiresAt: now() - 3_600_000 });
      isAheadBy(7_200_000);
      await start();
      const ended = async () => {
        const { rows } = await under.pool.query('SELECT user_id AS id FROM ended_sessions');
        return rows.map(({ id }) => id as number);
      };
      await eventually(async () => (await ended()).length > 0, { within: 20_000 });
      expect(await ended()).to.deep.equal([2]);
    });
  });

  it('commits what it holds when it is stopped', async () => {
    await start({ batch: { ...SETTINGS.batch, maxWait: 60_000 } });
    publish('heartbeat', { type: 'heartbeat', user_id: 1 });
    await eventually(() => under.broker.waiting === 0);
    await under.worker.stop();
    expect((await row(1))?.status).to.equal('online');
  });
});
