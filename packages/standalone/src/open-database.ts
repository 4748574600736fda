import { join } from 'node:path';
import {
  type EmbeddedPostgres,
  type FolderLock,
  FolderTaken,
  startEmbeddedPostgres,
} from '@presence/adapters/embedded';
import {
  type Environment,
  optionalDatabaseSettings,
  readEnvironmentOrExit,
} from '@presence/adapters/environment';
import { type DatabaseAddress, migrate } from '@presence/adapters/postgres';
import { messageOf } from '@presence/adapters/process';
import { Unavailable } from '@presence/domain';
import { dataFolder, lockDataFolder } from './data-folder.js';

/** The database that a command works on. */
export interface OpenDatabase extends DatabaseAddress {
  /** For people: where it is. */
  readonly name: string;
  /** The migrations that opening it has run. */
  readonly migrated: readonly string[];
  close(): Promise<void>;
}

/** Where in the data folder the embedded database lives. */
export function databaseFolder(folder: string): string {
  return join(folder, 'postgres');
}

/**
 * The database of DATABASE_URL, brought up to date unless MIGRATE_ON_START is false; else the
 * embedded one: opened here, or through the process that is running on it.
 * @throws FolderTaken where that process has not come far enough yet
 */
export async function openDatabase(environment: Environment): Promise<OpenDatabase> {
  const { database } = readEnvironmentOrExit(environment, { database: optionalDatabaseSettings });
  const { url, caFile, migrateOnStart } = database;
  if (url !== undefined) {
    const address = { url, ...(caFile === undefined ? {} : { caFile }) };
    const name = 'the database of DATABASE_URL';
    const migrated = migrateOnStart ? await migrate(address).catch(unreachable) : [];
    return { ...address, name, migrated, close: async () => {} };
  }
  return openEmbedded(environment).catch((error: unknown) => {
    if (error instanceof FolderTaken && error.owner?.database !== undefined) {
      const name = `the database of process ${error.owner.pid}`;
      return { url: error.owner.database, name, migrated: [], close: async () => {} };
    }
    throw error;
  });
}

async function openEmbedded(environment: Environment): Promise<OpenDatabase> {
  const lock = await lockDataFolder(environment);
  let postgres: EmbeddedPostgres | undefined;
  try {
    postgres = await startEmbeddedPostgres(databaseFolder(lock.folder));
    const migrated = await migrate(postgres);
    const close = () => letGo(postgres, lock);
    const name = `the database in ${dataFolder(environment)}`;
    return { url: postgres.url, name, migrated, close };
  } catch (error) {
    await letGo(postgres, lock);
    throw error;
  }
}

/** In this order: whoever has the lock opens the database. */
async function letGo(postgres: EmbeddedPostgres | undefined, lock: FolderLock): Promise<void> {
  await postgres?.close();
  await lock.release();
}

function unreachable(error: unknown): never {
  if (!(error instanceof Unavailable) || !(error.cause instanceof Error)) throw error;
  throw new Error(`The database of DATABASE_URL cannot be reached: ${messageOf(error.cause)}`);
}
