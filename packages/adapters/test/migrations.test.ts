import { createPool, migrate, type Pool, PostgresIdentityStore } from '@presence/adapters/postgres';
import { Unavailable } from '@presence/domain';
import { type Database, services } from '@presence/test-services';
import { expect } from 'chai';
import pg from 'pg';

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
    await pool.query(`
      DELETE FROM presence_migrations WHERE name = '0010_room';
      ALTER TABLE user_presence DROP COLUMN room`);
    const reading = new pg.Client({ connectionString: database.url });
    await reading.connect();
    await reading.query('BEGIN; SELECT FROM user_presence');
    const { url } = database;
    const migrated = await migrate({ url }).catch((error: unknown) => error);
    await reading.end();
    expect(migrated).to.be.instanceOf(Unavailable);
    expect(await migrate({ url })).to.deep.equal(['0010_room']);
  });
});
