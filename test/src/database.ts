import { randomBytes } from 'node:crypto';
import pg from 'pg';

/** A database for one suite. */
export interface Database {
  readonly url: string;
  /** Ends whatever is still connected, and removes it. */
  drop(): Promise<void>;
}

export interface DatabaseOptions {
  /** Without any table. */
  readonly empty?: boolean;
}

let template: Promise<string> | undefined;

/** Makes a database with all migrations; copying a template takes a tenth of migrating. */
export async function createDatabase(
  adminUrl: string,
  { empty = false }: DatabaseOptions = {},
): Promise<Database> {
  const name = newName();
  const from = empty ? 'template0' : await templateIn(adminUrl);
  await execute(adminUrl, `CREATE DATABASE ${name} TEMPLATE ${from}`);
  return { url: withDatabase(adminUrl, name), drop: () => dropDatabase(adminUrl, name) };
}

/** To be called at the end, where the server outlives the tests. */
export async function dropTemplate(adminUrl: string): Promise<void> {
  if (template === undefined) return;
  await dropDatabase(adminUrl, await template);
  template = undefined;
}

function templateIn(adminUrl: string): Promise<string> {
  template ??= createTemplate(adminUrl);
  return template;
}

async function createTemplate(adminUrl: string): Promise<string> {
  const name = newName();
  await execute(adminUrl, `CREATE DATABASE ${name} TEMPLATE template0`);
  const { migrate } = await import('@presence/adapters/postgres');
  await migrate({ url: withDatabase(adminUrl, name) });
  return name;
}

async function dropDatabase(adminUrl: string, name: string): Promise<void> {
  await execute(adminUrl, `DROP DATABASE IF EXISTS ${name} WITH (FORCE)`);
}

function newName(): string {
  return `presence_test_${randomBytes(6).toString('hex')}`;
}

function withDatabase(adminUrl: string, name: string): string {
  const url = new URL(adminUrl);
  url.pathname = `/${name}`;
  return url.href;
}

async function execute(url: string, statement: string): Promise<void> {
  const client = new pg.Client({ connectionString: url });
  await client.connect();
  try {
    await client.query(statement);
  } finally {
    await client.end();
  }
}
