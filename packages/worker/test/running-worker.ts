import { MemoryBroker } from '@presence/adapters/memory';
import { createPool, type Pool } from '@presence/adapters/postgres';
import type { Status } from '@presence/domain';
import { type Database, eventually, services } from '@presence/test-services';
import { startWorker, type Worker, type WorkerSettings } from '@presence/worker';
import { pino } from 'pino';
import { Registry } from 'prom-client';

export const SETTINGS: WorkerSettings = {
  heartbeatInterval: 30_000,
  offlineAfter: 110_000,
  maxClockSkew: 15_000,
  accessTokenTtl: 900_000,
  refreshTokenTtl: 86_400_000,
  refreshReuseGrace: 10_000,
  unknownUsers: 'refuse',
  ownIssuer: 'presence',
  batch: { maxUsers: 1_000, maxWait: 20, concurrency: 2 },
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

/** A worker on a real PostgreSQL and the in-process queue, and what can be seen of it. */
export class WorkerUnderTest {
  database!: Database;
  pool!: Pool;
  broker!: MemoryBroker;
  worker!: Worker;
  changes: Change[] = [];
  /** What it has logged. */
  lines: string[] = [];

  readonly start = async (given: Partial<WorkerSettings> = {}): Promise<void> => {
    const { pool, broker, lines } = this;
    const logger = pino({ level: 'warn' }, { write: (line) => lines.push(line) });
    const surroundings = { pool, broker, registry: new Registry(), logger };
    this.worker = await startWorker(surroundings, { ...SETTINGS, ...given });
  };

  readonly publish = (type: string, body: unknown): void => {
    this.broker.publish({
      routingKey: `presence.${type}`,
      body: Buffer.from(JSON.stringify(body)),
    });
  };

  readonly row = async (userId: number): Promise<Row | undefined> => {
    const { rows } = await this.pool.query<Row>(
      `SELECT online_status AS status, last_seen AS "lastSeen" FROM user_presence WHERE user_id = $1`,
      [userId],
    );
    return rows[0];
  };

  /** Those that as-of waits for, and how many seconds it is behind. */
  readonly workers = async (): Promise<{ id: string; lag: number }[]> => {
    const { rows } = await this.pool.query<{ id: string; lag: number }>(`
      SELECT id, extract(epoch FROM clock_timestamp() - as_of)::float AS lag
      FROM presence_publishers, presence_clock WHERE kind = 'worker' AND gone_at IS NULL`);
    return rows;
  };

  readonly showsOnline = (userId: number): Promise<unknown> =>
    eventually(async () => (await this.row(userId))?.status === 'online');

  readonly dead = (): unknown[] =>
    this.broker.dead.map(({ reason, body }) => [reason, JSON.parse(body.toString())]);

  /** Four users whom nobody has seen, and a queue of their own. */
  async begin(): Promise<void> {
    const { pool } = this;
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
    this.broker = new MemoryBroker();
    this.changes = [];
    this.lines = [];
    this.broker.changes().subscribe(({ body }) => this.changes.push(JSON.parse(body.toString())));
  }
}

/** Describes what a worker does; each test starts it, and it is stopped afterwards. */
export function describeWorker(title: string, suite: (under: WorkerUnderTest) => void): void {
  describe(title, function () {
    this.timeout(30_000);
    const under = new WorkerUnderTest();

    before(async () => {
      under.database = await (await services()).createDatabase();
      const { url } = under.database;
      under.pool = createPool({ url, size: 10, applicationName: 'presence-test' });
    });

    after(async () => {
      await under.pool.end();
      await under.database.drop();
    });

    beforeEach(() => under.begin());
    afterEach(() => under.worker.stop());

    suite(under);
  });
}
