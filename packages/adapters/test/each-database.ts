import { startEmbeddedPostgres } from '@presence/adapters/embedded';
import { createPool, migrate } from '@presence/adapters/postgres';
import { services, temporaryFolder } from '@presence/test-services';
import type pg from 'pg';

interface Migrated {
  readonly url: string;
  close(): Promise<void>;
}

export interface DatabaseUnderTest {
  /** To be asked for once the tests run. */
  pool(): pg.Pool;
  /** Whether it serves several connections at once. */
  readonly concurrent: boolean;
}

/** However slow the machine is, a test that does much at once waits for its turn. */
const PATIENT = { connect: 60_000 };

/** Describes what holds on a real PostgreSQL, and on the embedded one as well. */
export function onEachDatabase(title: string, suite: (database: DatabaseUnderTest) => void): void {
  describe(`${title} on PostgreSQL`, () => suite(opened(real, true)));
  describe(`${title} on embedded Postgres`, () => suite(opened(embedded, false)));
}

function opened(open: () => Promise<Migrated>, concurrent: boolean): DatabaseUnderTest {
  let database: Migrated;
  let pool: pg.Pool;

  before(async function () {
    this.timeout(60_000);
    database = await open();
    const { url } = database;
    pool = createPool({ url, size: 8, applicationName: 'presence-test', timeouts: PATIENT });
  });

  after(async () => {
    await pool.end();
    await database.close();
  });

  return { pool: () => pool, concurrent };
}

async function real(): Promise<Migrated> {
  const { url, drop } = await (await services()).createDatabase();
  return { url, close: drop };
}

async function embedded(): Promise<Migrated> {
  const { url, close } = await startEmbeddedPostgres(await temporaryFolder('stores'));
  await migrate({ url });
  return { url, close };
}
