import { createPool, migrate, type Pool, PostgresIdentityStore } from '@presence/adapters/postgres';
import { Unavailable } from '@presence/domain';
import { type Database, eventually, services } from '@presence/test-services';
import { expect } from 'chai';
import pg from 'pg';

/** The key of what migrations take turns by, once the one that has it waits for another lock. */
const LOCK_OF_WAITING_MIGRATION = `
  SELECT (turn.classid::bigint << 32) + turn.objid::bigint AS key
  FROM pg_locks turn JOIN pg_locks waiting USING (pid)
  WHERE turn.locktype = 'advisory' AND turn.granted AND NOT waiting.granted
    AND turn.database = (SELECT oid FROM pg_database WHERE datname = current_database())`;

const LAST = '0011_ended_by';

describe('A migration', () => {
  let database: Database;
  let pool: Pool;

  before(async () => {
    database = await (await services()).createDatabase();
    pool = createPool({ url: database.url, size: 1, applicationName: 'presence-test' });
  });

  after(async () => {
    await pool.end();
    await database.drop();
  });

  it('is waited for where a column is missing that it will bring', async () => {
    await pool.query('ALTER TABLE users RENAME COLUMN subject TO elsewhere');
    const asked = new PostgresIdentityStore(pool, 'presence').resolve([
      { issuer: '', subject: '' },
    ]);
    const answer = await asked.catch((error: unknown) => error);
    await pool.query('ALTER TABLE users RENAME COLUMN elsewhere TO subject');
    expect(answer).to.be.instanceOf(Unavailable);
  });

  it('gives way to a long read, and is to be tried again', async function () {
    this.timeout(15_000); // It gives way after 5 s.
    const reading = await undoLastAndRead();
    const { url } = database;
    const migrated = await migrate({ url }).catch((error: unknown) => error);
    await reading.end();
    expect(migrated).to.be.instanceOf(Unavailable);
    expect(await migrate({ url })).to.deep.equal([LAST]);
  });

  it('that loses a deadlock is to be tried again', async () => {
    // Once after it began to wait each looks whether they wait for each other: the migration first.
    await pool.query(
      `ALTER DATABASE ${pg.escapeIdentifier(new URL(database.url).pathname.slice(1))} SET deadlock_timeout = '3s'`,
    );
    const reading = await undoLastAndRead();
    await reading.query(`SET deadlock_timeout = '1min'`);
    const { url } = database;
    const migrating = migrate({ url }).catch((error: unknown) => error);
    const lock = await eventually(async () => {
      const { rows } = await pool.query(LOCK_OF_WAITING_MIGRATION);
      return rows[0]?.key ?? false;
    });
    await reading.query('SELECT pg_advisory_xact_lock($1)', [lock]); // Once that one has ended.
    await reading.end();
    expect(await migrating).to.be.instanceOf(Unavailable);
    expect(await migrate({ url })).to.deep.equal([LAST]);
  });

  /** @returns a connection in whose way the last migration, which is to come once more, will be */
  async function undoLastAndRead(): Promise<pg.Client> {
    await pool.query(`
      DELETE FROM presence_migrations WHERE name = '${LAST}';
      ALTER TABLE ended_sessions DROP COLUMN ended_by`);
    const reading = new pg.Client({ connectionString: database.url });
    await reading.connect();
    await reading.query('BEGIN; SELECT FROM ended_sessions');
    return reading;
  }
});
