import { fileURLToPath } from 'node:url';
import { Unavailable } from '@presence/domain';
import { runner } from 'node-pg-migrate';
import pg from 'pg';
import { isConflict, isLockTimeout, translateError } from './errors.js';
import { connectionConfig, type DatabaseAddress, POOL_TIMEOUTS } from './pool.js';

/** Where the migrations are, in order of their names. */
const DIRECTORY = fileURLToPath(new URL('../../migrations', import.meta.url));

/**
 * Brings the database up to date; processes that start together take turns.
 * @returns the names of the migrations that ran. @throws Unavailable
 */
export async function migrate(
  address: DatabaseAddress,
  log: (message: string) => void = () => {},
): Promise<string[]> {
  const client = new pg.Client({
    ...connectionConfig(address),
    application_name: 'presence-migrate',
    // A migration itself may take its time, and waits for another process's.
    connectionTimeoutMillis: POOL_TIMEOUTS.connect,
    keepAlive: true,
  });
  client.on('error', () => {}); // A connection that breaks also rejects the query that it was for.
  try {
    await client.connect();
    const done = await runner({
      dbClient: client,
      dir: DIRECTORY,
      direction: 'up',
      migrationsTable: 'presence_migrations',
      advisoryLockMode: 'wait',
      log,
    });
    return done.map(({ name }) => name);
  } catch (error) {
    // Some give way to whoever reads a table for long, as a dump does; and one that is in a worker's
    // way, which is in its own, may be the one that ends.
    if (isLockTimeout(error) || isConflict(error))
      throw new Unavailable('database', 1_000, { cause: error });
    throw translateError(error);
  } finally {
    await client.end();
  }
}
