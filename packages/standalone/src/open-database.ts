import { join } from 'node:path';
import { FolderTaken, startEmbeddedPostgres } from '@presence/adapters/embedded';
import {
  type Environment,
  optionalDatabaseSettings,
  readEnvironmentOrExit,
} from '@presence/adapters/environment';
import { type DatabaseAddress, migrate } from '@presence/adapters/postgres';
import { dataFolder, lockDataFolder } from './data-folder.js';

/** The database that a command works on. */
export interface OpenDatabase extends DatabaseAddress {
  /** For people: where it is. */
  readonly name: string;
  close(): Promise<void>;
}

/** Where in the data folder the embedded database lives. */
export function databaseFolder(folder: string): string {
  return join(folder, 'postgres');
}

/**
 * The database of DATABASE_URL; else the embedded one, brought up to date: opened here, or
 * through the process that is running on it.
 * @throws FolderTaken where that process has not come far enough yet
 */
export async function openDatabase(environment: Environment): Promise<OpenDatabase> {
  const { database } = readEnvironmentOrExit(environment, { database: optionalDatabaseSettings });
  const { url, caFile } = database;
  if (url !== undefined) {
    const name = `the database of DATABASE_URL`;
    return { url, ...(caFile === undefined ? {} : { caFile }), name, close: async () => {} };
  }
  return openEmbedded(environment).catch((error: unknown) => {
    if (error instanceof FolderTaken && error.owner?.database !== undefined) {
      const name = `the database of process ${error.owner.pid}`;
      return { url: error.owner.database, name, close: async () => {} };
    }
    throw error;
  });
}

async function openEmbedded(environment: Environment): Promise<OpenDatabase> {
  const lock = await lockDataFolder(environment);
  try {
    const postgres = await startEmbeddedPostgres(databaseFolder(lock.folder));
    await migrate(postgres);
    const close = async () => {
      await postgres.close();
      await lock.release();
    };
    return { url: postgres.url, name: `the database in ${dataFolder(environment)}`, close };
  } catch (error) {
    await lock.release();
    throw error;
  }
}
