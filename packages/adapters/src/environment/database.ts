import { settingsGroup } from './settings-group.js';
import { boolean, integer, readableFile, url } from './validators.js';
import { orFile } from './value-file.js';

export interface DatabaseSettings {
  readonly url: string;
  readonly poolSize: number;
  /** A PEM file of the authorities that may vouch for the server; it can be read. */
  readonly caFile?: string;
  readonly migrateOnStart: boolean;
}

const postgresUrl = url(['postgres', 'postgresql']);

const specs = {
  /** Where Postgres is. A secret: it holds the password. */
  DATABASE_URL: orFile(
    postgresUrl({ desc: 'where Postgres is, as postgres://user:password@host:5432/database' }),
  ),
  /** Connections of this process, at most. Ten are enough to keep two cores of Postgres busy. */
  DATABASE_POOL_SIZE: integer({ min: 1, max: 1_000 })({ default: 10 }),
  /** For a server whose certificate no public authority has signed. */
  DATABASE_CA_FILE: readableFile({ default: undefined }),
  /** Bring the schema up to date first; false where a deployment does that by itself. */
  MIGRATE_ON_START: boolean({ default: true }),
};

export const databaseSettings = settingsGroup({
  specs,
  settings: (values): DatabaseSettings => ({ ...common(values), url: values.DATABASE_URL }),
});

/** For a process that brings a database of its own where none is named: `url` is undefined then. */
export const optionalDatabaseSettings = settingsGroup({
  specs: { ...specs, DATABASE_URL: orFile(postgresUrl({ default: undefined })) },
  settings: (values) => ({ ...common(values), url: values.DATABASE_URL }),
});

function common(values: {
  readonly DATABASE_POOL_SIZE: number;
  readonly DATABASE_CA_FILE: string | undefined;
  readonly MIGRATE_ON_START: boolean;
}): Omit<DatabaseSettings, 'url'> {
  const { DATABASE_CA_FILE: caFile } = values;
  return {
    poolSize: values.DATABASE_POOL_SIZE,
    ...(caFile === undefined ? {} : { caFile }),
    migrateOnStart: values.MIGRATE_ON_START,
  };
}
