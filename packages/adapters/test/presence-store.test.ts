import {
  createPool,
  PostgresPresenceReader,
  PostgresPresenceStore,
} from '@presence/adapters/postgres';
import { type Database, services } from '@presence/test-services';
import type pg from 'pg';
import { itIsAPresenceStore, POLICY } from './presence-store-contract.js';

describe('PostgresPresenceStore on PostgreSQL', () => {
  let database: Database;
  let pool: pg.Pool;

  before(async () => {
    database = await (await services()).createDatabase();
    pool = createPool({ url: database.url, size: 8, applicationName: 'presence-test' });
  });

  after(async () => {
    await pool.end();
    await database.drop();
  });

  itIsAPresenceStore(
    async () => ({
      pool,
      store: new PostgresPresenceStore(pool, POLICY),
      reader: new PostgresPresenceReader(pool, POLICY),
      concurrent: true,
    }),
    200,
  );
});
