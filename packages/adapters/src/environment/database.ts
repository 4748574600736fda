import { settingsGroup } from './settings-group.js';
import { boolean, file, integer, url } from './validators.js';
import { orFile } from './value-file.js';

export interface DatabaseSettings {
  readonly url: string;
  readonly poolSize: number;
  /** Certificates, PEM, of the authorities that may vouch for the server. */
  readonly ca: string | undefined;
  readonly migrateOnStart: boolean;
}

const postgresUrl = url(['postgres', 'postgresql']);

const specs = {
  /** Where Postgres is. A secret: it holds the password. */
  DATABASE_URL: orFile(
    postgresUrl({ desc: 'where Postgres is, as postgres://user:password@host:5432/database' }),
  ),
  /** Connections of this process, at most. Two cores of Postgres are busy with ten. */
  DATABASE_POOL_SIZE: integer({ min: 1, max: 1_000 })({ default: 10 }),
  /** For a server whose certificate no public authority has signed. */
  DATABASE_CA_FILE: file({ default: undefined }),
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
  return {
    poolSize: values.DATABASE_POOL_SIZE,
    ca: values.DATABASE_CA_FILE,
    migrateOnStart: values.MIGRATE_ON_START,
  };
}
