import { randomBytes } from 'node:crypto';
import { MemoryBroker } from '@presence/adapters/memory';
import { createPool, type Pool, PostgresSessionStore } from '@presence/adapters/postgres';
import { type EventPublisher, type Status, WORKER_LEASE } from '@presence/domain';
import { type Database, eventually, services, TcpProxy } from '@presence/test-services';
import { startWorker, type Worker, type WorkerBroker, type WorkerSettings } from '@presence/worker';
import { expect } from 'chai';
import { pino } from 'pino';
import { Registry } from 'prom-client';

const SETTINGS: WorkerSettings = {
  heartbeatInterval: 30_000,
  offlineAfter: 110_000,
  maxClockSkew: 15_000,
  accessTokenTtl: 900_000,
  refreshTokenTtl: 86_400_000,
  refreshReuseGrace: 10_000,
  unknownUsers: 'refuse',
  ownIssuer: 'presence',
  batch: { maxUsers: 1_000, maxWait: 20 },
};

/** A change, as it goes over the wire. */
interface Change {
  readonly user_id: number;
  readonly version: number;
  readonly to: Status;
  readonly cause: string;
}

interface Row {
  readonly status: Status;
  readonly lastSeen: number | null;
}

describe('A worker', function () {
  this.timeout(30_000);
  let database: Database;
  let pool: Pool;
  let broker: MemoryBroker;
  let worker: Worker;
  let changes: Change[];
  let lines: string[];

  before(async () => {
    database = await (await services()).createDatabase();
    pool = createPool({ url: database.url, size: 10, applicationName: 'presence-test' });
  });

  after(async () => {
    await pool.end();
    await database.drop();
  });

  beforeEach(async () => {
    await pool.query('DROP TRIGGER IF EXISTS forbid ON user_presence');
    await pool.query('DELETE FROM users');
    await pool.query(
      `INSERT INTO users (id, issuer, subject, username, role)
       SELECT id, 'idp', 'subject-' || id, 'user' || id, 'user' FROM generate_series(1, 4) id`,
    );
    await pool.query('INSERT INTO user_presence (user_id) SELECT id FROM users');
    await pool.query('DELETE FROM presence_outbox');
    // As if as-of had been moving all along: else the time between two tests may be a stall.
    await pool.query('TRUNCATE presence_publishers, publisher_marks');
    await pool.query(
      'UPDATE presence_clock SET as_of = now(), moved_at = clock_timestamp(), held_since = NULL',
    );
    broker = new MemoryBroker();
    changes = [];
    lines = [];
    broker.changes().subscribe(({ body }) => changes.push(JSON.parse(body.toString())));
  });

  afterEach(() => worker.stop());

  async function start(given: Partial<WorkerSettings> = {}): Promise<void> {
    const logger = pino({ level: 'warn' }, { write: (line) => lines.push(line) });
    const surroundings = { pool, broker, registry: new Registry(), logger };
    worker = await startWorker(surroundings, { ...SETTINGS, ...given });
  }

  function publish(type: string, body: unknown): void {
    broker.publish({ routingKey: `presence.${type}`, body: Buffer.from(JSON.stringify(body)) });
  }

  async function row(userId: number): Promise<Row | undefined> {
    const { rows } = await pool.query<Row>(
      `SELECT online_status AS status, last_seen AS "lastSeen" FROM user_presence WHERE user_id = $1`,
      [userId],
    );
    return rows[0];
  }

  /** Those that as-of waits for, and how many seconds it is behind. */
  async function workers(): Promise<{ id: string; lag: number }[]> {
    const { rows } = await pool.query<{ id: string; lag: number }>(`
      SELECT id, extract(epoch FROM clock_timestamp() - as_of)::float AS lag
      FROM presence_publishers, presence_clock WHERE kind = 'worker' AND gone_at IS NULL`);
    return rows;
  }

  const showsOnline = (userId: number) =>
    eventually(async () => (await row(userId))?.status === 'online');
  const dead = () => broker.dead.map(({ reason, body }) => [reason, JSON.parse(body.toString())]);

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
    const source = broker.source.bind(broker);
    broker.source = (options) => {
      asked.push(options.prefetch);
      return source(options);
    };
    await start({ prefetch: 2 });
    expect(asked).to.deep.equal([2]);
  });

  it('dead-letters what it cannot apply, in the words in which it came; the rest of its batch commits', async () => {
    await start();
    const ghost = { type: 'heartbeat', user_id: 99, colour: 'red' };
    const stranger = { type: 'heartbeat', issuer: 'idp', subject: 'nobody' };
    publish('batch', [
      { type: 'heartbeat', user_id: 1 },
      ghost,
      stranger,
      { type: 'activity', user_id: 2 },
    ]);
    await showsOnline(1);
    await showsOnline(2);
    await eventually(() => broker.dead.length === 2);
    expect(dead()).to.have.deep.members([
      ['unknown_user', ghost],
      ['unknown_user', stranger],
    ]);
    expect(await row(99)).to.equal(undefined);
  });

  it('creates unknown users where it may and they are named', async () => {
    await start({ unknownUsers: 'create' });
    publish('heartbeat', { type: 'heartbeat', user_id: 77, username: 'seven' });
    publish('heartbeat', {
      type: 'heartbeat',
      issuer: 'idp',
      subject: 'new',
      username: 'newcomer',
    });
    publish('heartbeat', { type: 'heartbeat', user_id: 78 });
    await showsOnline(77);
    await eventually(() => broker.dead.length === 1);
    const { rows } = await pool.query(`
      SELECT username, issuer, online_status FROM users JOIN user_presence ON user_id = id
      WHERE username IN ('seven', 'newcomer') ORDER BY username DESC`);
    expect(rows).to.deep.equal([
      { username: 'seven', issuer: 'presence', online_status: 'online' },
      { username: 'newcomer', issuer: 'idp', online_status: 'online' },
    ]);
  });

  it('settles no interval before those whom it makes known are written', async () => {
    await pool.query(`
      CREATE TABLE settled (interval int8range, by xid);
      CREATE FUNCTION note() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
        INSERT INTO settled VALUES (NEW.us_settled, pg_current_xact_id()::xid); RETURN NULL; END $$;
      CREATE TRIGGER note AFTER INSERT ON publisher_marks FOR EACH ROW WHEN (NEW.kind = 'app')
        EXECUTE FUNCTION note()`);
    const publisher = broker.publisher();
    try {
      await start({ unknownUsers: 'create' });
      // Not where a publisher ticks: the one interval that holds this moment is to hold the event.
      await eventually(() => Date.now() % 1_000 > 100 && Date.now() % 1_000 < 800);
      const occurredAt = Date.now();
      const seven = { user: 77, username: 'seven', sessionId: '' };
      publisher.record({ type: 'heartbeat', occurredAt, status: 'online', ...seven });
      await showsOnline(77);
      const { rows } = await pool.query(
        `SELECT by = p.xmin AS together FROM settled, user_presence p
          WHERE user_id = 77 AND interval @> $1::bigint`,
        [occurredAt * 1_000],
      );
      expect(rows).to.deep.equal([{ together: true }]);
    } finally {
      await publisher.close(1_000);
      await pool.query(
        'DROP TRIGGER note ON publisher_marks; DROP FUNCTION note; DROP TABLE settled',
      );
    }
  });

  it('finds the one row that the database refuses; its batch-mates commit', async () => {
    await pool.query(`
      CREATE OR REPLACE FUNCTION forbid() RETURNS trigger LANGUAGE plpgsql AS
        $$ BEGIN RAISE EXCEPTION USING ERRCODE = '23514'; END $$;
      CREATE TRIGGER forbid BEFORE UPDATE ON user_presence FOR EACH ROW
        WHEN (OLD.user_id = 3) EXECUTE FUNCTION forbid()`);
    await start();
    publish(
      'batch',
      [1, 2, 3, 4].map((user_id) => ({ type: 'heartbeat', user_id })),
    );
    for (const userId of [1, 2, 4]) await showsOnline(userId);
    await eventually(() => broker.dead.length === 1);
    expect(dead()).to.deep.equal([['database:23514', { type: 'heartbeat', user_id: 3 }]]);
  });

  for (const state of ['23505', '44000', '54000', 'P0004', 'MY001']) {
    it(`dead-letters the one event that raises ${state}; what else its user did is written`, async () => {
      await pool.query(`
        CREATE OR REPLACE FUNCTION forbid() RETURNS trigger LANGUAGE plpgsql AS
          $$ BEGIN RAISE EXCEPTION USING ERRCODE = '${state}'; END $$;
        CREATE TRIGGER forbid BEFORE UPDATE ON user_presence FOR EACH ROW
          WHEN (NEW.declared = 'away') EXECUTE FUNCTION forbid()`);
      await start();
      const at = (ago: number) => new Date(Date.now() - ago).toISOString();
      const guilty = { type: 'heartbeat', user_id: 1, status: 'away', occurred_at: at(0) };
      publish('batch', [
        { type: 'heartbeat', user_id: 1, occurred_at: at(2_000) },
        guilty,
        { type: 'activity', user_id: 1, occurred_at: at(1_000) },
        { type: 'heartbeat', user_id: 2 },
      ]);
      await eventually(() => broker.dead.length === 1);
      expect(dead()).to.deep.equal([[`database:${state}`, guilty]]);
      expect((await row(1))?.status).to.equal('online');
      expect((await row(2))?.status).to.equal('online');
    });
  }

  it('lets a row that somebody else has locked delay nobody but itself', async () => {
    await start();
    const other = await pool.connect();
    await other.query('BEGIN');
    await other.query('SELECT FROM user_presence WHERE user_id = 2 FOR UPDATE');
    publish(
      'batch',
      [1, 2].map((user_id) => ({ type: 'heartbeat', user_id })),
    );
    await showsOnline(1);
    publish('heartbeat', { type: 'heartbeat', user_id: 2 });
    const begun = performance.now();
    publish('heartbeat', { type: 'heartbeat', user_id: 3 });
    await showsOnline(3);
    expect(performance.now() - begun, 'known to be locked, it is not waited for').to.be.below(900);
    expect((await row(2))?.lastSeen).to.equal(null);
    await other.query('ROLLBACK');
    other.release();
    await showsOnline(2);
  });

  it('holds no message of a locked row: as many as there are, nobody else waits', async () => {
    await start();
    const other = await pool.connect();
    await other.query('BEGIN');
    await other.query('SELECT FROM user_presence WHERE user_id = 2 FOR UPDATE');
    for (let sent = 0; sent < 600; sent++) publish('heartbeat', { type: 'heartbeat', user_id: 2 });
    publish('heartbeat', { type: 'heartbeat', user_id: 1 });
    await showsOnline(1);
    const { rows } = await pool.query<{ asOf: number; oldest: number }>(`
      SELECT as_of AS "asOf", (SELECT min(occurred_at) FROM presence_inbox) AS oldest
      FROM presence_clock`);
    expect(rows[0]!.asOf, 'as-of waits for it').to.be.below(rows[0]!.oldest);
    await other.query('ROLLBACK');
    other.release();
    await showsOnline(2);
  });

  it('hands back a status whose row is locked for too long; it is written when the row is free', async () => {
    await start({ batch: { ...SETTINGS.batch, holdAtMost: 1_500 } });
    const other = await pool.connect();
    await other.query('BEGIN');
    await other.query('SELECT FROM user_presence WHERE user_id = 2 FOR UPDATE');
    const event = { type: 'status_set', userId: 2, status: 'online', sessionId: '' } as const;
    const publisher = broker.publisher();
    const submitted = publisher.submit({ ...event, occurredAt: Date.now() }, 20_000);
    await eventually(() => lines.some((line) => line.includes('Held for too long')));
    await other.query('ROLLBACK');
    other.release();
    expect((await submitted).outcome).to.equal('committed');
    await publisher.close(1_000);
    await showsOnline(2);
  });

  describe('where a sender waits', () => {
    let publisher: EventPublisher;
    const setAway = async (userId = 2) => {
      const event = { type: 'status_set', userId, status: 'away', sessionId: '' } as const;
      const { outcome } = await publisher.submit({ ...event, occurredAt: Date.now() }, 20_000);
      expect(outcome).to.equal('committed');
    };

    beforeEach(() => {
      publisher = broker.publisher();
    });

    afterEach(() => publisher.close(1_000));

    it('writes that event alone, before what may still wait', async () => {
      await start({ batch: { maxUsers: 1_000, maxWait: 60_000 } });
      publish('heartbeat', { type: 'heartbeat', user_id: 1 });
      await setAway();
      expect((await row(2))?.status).to.equal('away');
      expect((await row(1))?.status).to.equal('offline');
      await worker.stop();
      expect((await row(1))?.status).to.equal('online');
    });

    it('writes with it what else is held of the same user', async () => {
      await start({ unknownUsers: 'create', batch: { maxUsers: 1_000, maxWait: 60_000 } });
      const seven = { user_id: 77, username: 'seven', occurred_at: new Date(Date.now() - 1_000) };
      publish('heartbeat', { type: 'heartbeat', ...seven });
      publish('heartbeat', { type: 'heartbeat', user_id: 1 });
      await setAway(77);
      expect((await row(77))?.status).to.equal('away');
      expect((await row(1))?.status).to.equal('offline');
    });

    it('looks at a locked row now and then, without the others waiting for that', async function () {
      this.timeout(10_000); // Looks come every 500 ms.
      await start();
      const other = await pool.connect();
      await other.query('BEGIN');
      await other.query('SELECT FROM user_presence WHERE user_id = 2 FOR UPDATE');
      const set = setAway();
      await eventually(() => broker.waiting === 0);
      for (let turn = 0; turn < 30; turn++) {
        const at = Date.now() - 1_000 + turn;
        publish('heartbeat', { type: 'heartbeat', user_id: 1, occurred_at: new Date(at) });
        await eventually(async () => (await row(1))?.lastSeen === at, { every: 1 });
      }
      await other.query('ROLLBACK');
      other.release();
      await set;
    });

    it('writes the others all the same when they have waited long enough', async () => {
      await start({ batch: { maxUsers: 1_000, maxWait: 250 } });
      publish('heartbeat', { type: 'heartbeat', user_id: 1 });
      let written = false;
      const keepSetting = async () => {
        while (!written) await setAway();
      };
      // So many that at the end of each flush somebody waits.
      const all = Promise.all(Array.from({ length: 32 }, keepSetting));
      await showsOnline(1);
      written = true;
      await all;
    });
  });

  it('dead-letters the event of a user whom the database does not take; its batch-mates commit', async () => {
    await pool.query('ALTER TABLE users ADD CONSTRAINT polite CHECK (username <> $$rude$$)');
    try {
      await start({ unknownUsers: 'create' });
      const stranger = { type: 'heartbeat', issuer: 'idp', subject: 'new', username: 'rude' };
      const numbered = { type: 'heartbeat', user_id: 77, username: 'rude' };
      const fine = { type: 'heartbeat', user_id: 78, username: 'fine' };
      publish('batch', [{ type: 'heartbeat', user_id: 1 }, stranger, numbered, fine]);
      for (const userId of [1, 78]) await showsOnline(userId);
      await eventually(() => broker.dead.length === 2);
      expect(dead()).to.have.deep.members([
        ['database:23514', stranger],
        ['database:23514', numbered],
      ]);
    } finally {
      await pool.query('ALTER TABLE users DROP CONSTRAINT polite');
    }
  });

  it('leaves what it holds to another worker, within its lease, where its database falls silent', async () => {
    const way = await TcpProxy.to(database.url);
    const own = createPool({ url: way.url, size: 10, applicationName: 'in a black hole' });
    const logger = pino({ level: 'silent' });
    const surroundings = { broker, registry: new Registry(), logger };
    const silenced = await startWorker({ ...surroundings, pool: own }, SETTINGS);
    // What is connected by then says nothing more; a lease that still was to be had would be had.
    await eventually(async () => (await workers()).length === 1);
    way.swallow();
    publish('heartbeat', { type: 'heartbeat', user_id: 1 });
    await eventually(() => broker.waiting === 0);
    const begun = performance.now();
    await start();
    await showsOnline(1);
    expect(performance.now() - begun).to.be.below(WORKER_LEASE);
    expect(silenced.reached.database).to.equal(false);
    await way.close();
    await silenced.stop();
    await own.end();
  });

  it('announces each change after its commit, in order of version by user', async () => {
    await start();
    const at = new Date().toISOString();
    publish('login', { type: 'login', user_id: 1, occurred_at: at });
    await eventually(() => changes.at(-1)?.to === 'online');
    publish('logout', {
      type: 'logout',
      user_id: 1,
      occurred_at: new Date(Date.now() + 5).toISOString(),
    });
    await eventually(() => changes.at(-1)?.to === 'offline');
    const versions = changes.map(({ version }) => version);
    expect(versions).to.deep.equal(versions.toSorted((a, b) => a - b));
    expect(changes.at(-1)).to.include({ user_id: 1, cause: 'logout' });
  });

  async function openSession(): Promise<void> {
    const sessions = new PostgresSessionStore(pool, { ...SETTINGS, rememberSessions: 86_400_000 });
    const at = Date.now();
    const session = { sessionId: `${at}`, expiresAt: at + 60_000 };
    await sessions.open({ ...session, refreshHash: randomBytes(32), userId: 1, at });
  }

  it('announces what others have committed, an API say', async () => {
    await start();
    await eventually(() => worker.reached.database);
    await openSession();
    await eventually(() => changes.some(({ user_id, to }) => user_id === 1 && to === 'online'));
  });

  it('announces it even where it cannot look what else is due', async () => {
    await start();
    await eventually(() => worker.reached.database);
    const other = await pool.connect();
    try {
      await other.query('BEGIN');
      await other.query('LOCK TABLE presence_inbox');
      await openSession();
      await eventually(() => changes.some(({ user_id, to }) => user_id === 1 && to === 'online'));
    } finally {
      await other.query('ROLLBACK');
      other.release();
    }
  });

  it('writes the end of silence, measured against as-of', async () => {
    await start({ offlineAfter: 1_500 });
    publish('heartbeat', { type: 'heartbeat', user_id: 1 });
    await showsOnline(1);
    await eventually(() => changes.some(({ cause }) => cause === 'expired'));
    expect((await row(1))?.status).to.equal('offline');
  });

  it('moves as-of on, within 2 s of the clock, without any traffic', async () => {
    await start();
    await eventually(async () => {
      const { rows } = await pool.query<{ lag: number }>(
        'SELECT extract(epoch FROM clock_timestamp() - as_of)::float AS lag FROM presence_clock',
      );
      return rows[0]!.lag < 2;
    });
  });

  describe('gives its word of progress', () => {
    let said: number[];

    /** @param onTick what happens when it does */
    async function listen(onTick: () => Promise<void> = async () => {}): Promise<void> {
      said = [];
      const ticker = broker.ticker();
      const listening: WorkerBroker = {
        connected: true,
        blocked: false,
        source: (options) => broker.source(options),
        changes: () => broker.changes(),
        ticker: () => ({
          tick: async (progress) => {
            await onTick();
            said.push(progress.through / 1_000);
            return ticker.tick(progress);
          },
        }),
      };
      const logger = pino({ level: 'silent' });
      const surroundings = { pool, broker: listening, registry: new Registry(), logger };
      worker = await startWorker(surroundings, SETTINGS);
      await eventually(() => said.length >= 3); // The first two are of its beginning.
    }

    /** Which transaction wrote as-of last, and how far it is, in ms. */
    async function asOf(): Promise<{ by: string; at: number }> {
      const { rows } = await pool.query<{ by: string; at: number }>(
        'SELECT xmin AS by, (extract(epoch FROM as_of) * 1000)::float AS at FROM presence_clock',
      );
      return rows[0]!;
    }

    /** How often it writes the clock, twice a look, from one of its words to the next but one. */
    async function looks(): Promise<number> {
      const from = said.length;
      const seen = new Set<string>();
      await eventually(() => said.length > from);
      while (said.length <= from + 2) seen.add((await asOf()).by);
      return seen.size;
    }

    it('right after each second, once', async () => {
      await listen();
      await eventually(() => said.length >= 6);
      const past = said.slice(2).map((at) => at % 1_000);
      expect(Math.min(...past)).to.be.below(250);
      const pauses = said.slice(3).map((at, word) => at - said[word + 2]!);
      expect(Math.max(...pauses)).to.be.above(900);
    });

    it('and moves as-of there before the next one', async () => {
      const reached: boolean[] = [];
      await listen(async () => {
        const last = said.at(-1);
        if (said.length > 2) reached.push((await asOf()).at >= last! - 1);
      });
      await eventually(() => reached.length >= 3);
      expect(reached).to.not.include(false);
    });

    it('and looks again soon where as-of waits for somebody else', async () => {
      await listen();
      const alone = await looks();
      await pool.query(
        `INSERT INTO presence_publishers (id, kind, us_since)
         SELECT gen_random_uuid(), 'app', extract(epoch FROM as_of) * 1000000 FROM presence_clock`,
      );
      await eventually(async () => (await asOf()).at < Date.now() - 2_000);
      expect(await looks()).to.be.above(alone + 2);
    });
  });

  it('misses a broker that it can take from and not put into', async () => {
    const half = {
      connected: false,
      blocked: false,
      source: (options: { maxClockSkew: number }) => broker.source(options),
      ticker: () => broker.ticker(),
      changes: () => broker.changes(),
    };
    const surroundings = {
      pool,
      broker: half,
      registry: new Registry(),
      logger: pino({ level: 'silent' }),
    };
    worker = await startWorker(surroundings, SETTINGS);
    await eventually(() => worker.reached.database);
    expect(worker.reached.broker).to.equal(false);
    expect(worker.hasStarted).to.equal(false);
  });

  it('is not waited for while the broker is away from it alone, and takes part again afterwards', async () => {
    const half: WorkerBroker & { connected: boolean } = {
      connected: true,
      blocked: false,
      source: (options: { maxClockSkew: number }) => {
        const source = broker.source(options);
        const connected = { get: () => half.connected };
        return Object.defineProperty(source, 'connected', connected);
      },
      ticker: () => broker.ticker(),
      changes: () => broker.changes(),
    };
    const logger = pino({ level: 'silent' });
    const surroundings = { pool, broker: half, registry: new Registry(), logger };
    const other = await startWorker(surroundings, SETTINGS);
    try {
      await eventually(async () => (await workers()).length === 1);
      const id = (await workers())[0]!.id;
      await start();
      await eventually(async () => (await workers()).length === 2);
      half.connected = false;
      const goesOn = async () => {
        const all = await workers();
        return all.length === 1 && all[0]!.id !== id && all[0]!.lag < 2;
      };
      await eventually(goesOn, { within: WORKER_LEASE + 4_000 });
      publish('heartbeat', { type: 'heartbeat', user_id: 1 });
      await showsOnline(1);
      half.connected = true;
      await eventually(async () => (await workers()).length === 2);
      await worker.stop();
      publish('heartbeat', { type: 'heartbeat', user_id: 2 });
      await showsOnline(2);
    } finally {
      await other.stop();
    }
  });

  it('commits what it holds when it is stopped', async () => {
    await start({ batch: { maxUsers: 1_000, maxWait: 60_000 } });
    publish('heartbeat', { type: 'heartbeat', user_id: 1 });
    await eventually(() => broker.waiting === 0);
    await worker.stop();
    expect((await row(1))?.status).to.equal('online');
  });
});
