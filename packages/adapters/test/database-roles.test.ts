import { randomBytes } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import { createPool, migrate } from '@presence/adapters/postgres';
import { type Database, services } from '@presence/test-services';
import { expect } from 'chai';
import pg from 'pg';
import { SessionBook } from './session-book.js';

/** The very file that compose gives to the server. */
const ROLES = fileURLToPath(new URL('../../../deploy/postgres/roles.sql', import.meta.url));

const INSUFFICIENT_PRIVILEGE = '42501';

/** Roles belong to the whole server, which may not be ours alone. */
const SUFFIX = randomBytes(4).toString('hex');
const OWNER = `presence_owner_${SUFFIX}`;
const APP = `presence_app_${SUFFIX}`;
const STRANGER = `stranger_${SUFFIX}`;

describe('The roles that compose makes in the database', () => {
  let database: Database;
  let app: pg.Pool;

  before(async () => {
    database = await (await services()).createDatabase({ empty: true });
    await execute(database.url, await rolesScript(database.url));
    await migrate({ url: urlOf(OWNER) });
    app = createPool({ url: urlOf(APP), size: 2, applicationName: 'test' });
  });

  after(async () => {
    await app?.end();
    await database?.drop();
    const { databaseUrl } = await services();
    await execute(databaseUrl, `DROP ROLE IF EXISTS ${OWNER}, ${APP}, ${STRANGER}`);
  });

  function urlOf(role: string): string {
    const url = new URL(database.url);
    url.username = role;
    url.password = 'secret';
    return url.href;
  }

  async function names(condition: string): Promise<string[]> {
    const { rows } = await app.query<{ name: string }>(
      `SELECT relname AS name FROM pg_class JOIN pg_namespace n ON n.oid = relnamespace
       WHERE nspname = 'public' AND ${condition} ORDER BY 1`,
    );
    return rows.map(({ name }) => name);
  }

  it('let the owner migrate, and own all that there is', async () => {
    expect(await names(`relowner <> '${OWNER}'::regrole`)).to.deep.equal([]);
    expect(await names(`relkind = 'r'`)).to.include('user_presence');
    expect(await names(`relkind = 'i'`), 'pg_trgm is the owner’s to create').to.include(
      'users_search',
    );
  });

  it('let API and worker read and write every row', async () => {
    const may = ['SELECT', 'INSERT', 'UPDATE', 'DELETE']
      .map((right) => `has_table_privilege(n.nspname || '.' || relname, '${right}')`)
      .join(' AND ');
    expect(await names(`relkind = 'r' AND NOT (${may})`)).to.deep.equal([]);
  });

  it('let API and worker open and end sessions, which changes presence', async () => {
    const book = await SessionBook.begin(app);
    expect((await book.open('first')).presence.status).to.equal('online');
    expect((await book.end('s')).presence.status).to.equal('offline');
  });

  for (const statement of [
    'CREATE TABLE mine ()',
    'DROP TABLE users CASCADE',
    'ALTER TABLE users ADD mine integer',
    'TRUNCATE users CASCADE',
    'CREATE INDEX ON users (email)',
    'CREATE TEMPORARY TABLE mine ()',
    'CREATE SCHEMA mine',
    'CREATE ROLE mine',
    "COPY users TO PROGRAM 'cat'",
  ]) {
    it(`refuse API and worker ${statement}`, async () => {
      const error = await app.query(statement).catch((reason: unknown) => reason);
      expect(error).to.have.property('code', INSUFFICIENT_PRIVILEGE);
    });
  }

  it('let nobody else connect', async () => {
    await execute(database.url, `CREATE ROLE ${STRANGER} LOGIN PASSWORD 'secret'`);
    const error = await execute(urlOf(STRANGER), 'SELECT').catch((reason: unknown) => reason);
    expect(error).to.have.property('code', INSUFFICIENT_PRIVILEGE);
  });
});

/** As psql would read it, with its variables put in. */
async function rolesScript(url: string): Promise<string> {
  const script = await readFile(ROLES, 'utf8');
  return script
    .replaceAll(/^\\.*$/gm, '')
    .replaceAll('presence_owner', OWNER)
    .replaceAll('presence_app', APP)
    .replaceAll(/:'\w+_password'/g, pg.escapeLiteral('secret'))
    .replaceAll(':"DBNAME"', pg.escapeIdentifier(new URL(url).pathname.slice(1)));
}

async function execute(url: string, statements: string): Promise<void> {
  const client = new pg.Client({ connectionString: url });
  await client.connect();
  try {
    await client.query(statements);
  } finally {
    await client.end();
  }
}
