import { execFile } from 'node:child_process';
import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import pg from 'pg';
import { type Account, accountFor, temporaryFolder } from './account.js';
import { Child } from './child.js';
import { eventually } from './eventually.js';
import { freePort } from './free-port.js';
import type { Server } from './server.js';

const run = promisify(execFile);

/** Everything else, fsync above all, is as in production. */
const SETTINGS = {
  listen_addresses: '127.0.0.1',
  unix_socket_directories: '',
  max_connections: '200',
  shared_buffers: '64MB',
  logging_collector: 'off',
};

type Settings = Readonly<Record<string, string>>;

/** Starts a PostgreSQL of its own from the programs in `programs`. */
export async function startPostgresProgram(
  programs: string,
  settings: Settings = {},
): Promise<Server> {
  const account = accountFor('postgres');
  const folder = await temporaryFolder('postgres', account);
  await initialise(programs, join(folder, 'data'), account);
  const server = new PostgresServer(programs, folder, account, await freePort(), settings);
  await server.restart();
  return server;
}

async function initialise(programs: string, data: string, account: Account): Promise<void> {
  const initdb = (locale: string) =>
    run(
      join(programs, 'initdb'),
      ['-D', data, '-U', 'presence', '--auth=trust', '-E', 'UTF8', '--no-sync', locale],
      { ...account, cwd: '/' },
    );
  // Upper and lower case beyond ASCII, as production has it; some systems do not know the name.
  await initdb('--locale=C.UTF-8').catch(() => initdb('--no-locale'));
}

class PostgresServer implements Server {
  readonly url: string;
  #child: Child | undefined;

  constructor(
    private readonly programs: string,
    private readonly folder: string,
    private readonly account: Account,
    private readonly port: number,
    private readonly settings: Settings,
  ) {
    this.url = `postgres://presence@127.0.0.1:${port}/postgres`;
  }

  get pid(): number {
    return this.#child?.pid ?? 0;
  }

  get running(): boolean {
    return this.#child?.running ?? false;
  }

  async kill(): Promise<void> {
    await this.#child?.kill();
  }

  /** SIGINT is PostgreSQL's fast shutdown: it ends sessions instead of waiting for them. */
  async stop(): Promise<void> {
    if (!this.running) return;
    this.#child?.signal('SIGINT');
    await this.#child?.exited;
  }

  async restart(): Promise<void> {
    await this.stop();
    const settings = { port: String(this.port), ...SETTINGS, ...this.settings };
    const flags = Object.entries(settings).flatMap(([name, value]) => ['-c', `${name}=${value}`]);
    const child = new Child(
      join(this.programs, 'postgres'),
      ['-D', join(this.folder, 'data'), ...flags],
      { ...this.account, cwd: this.folder },
    );
    this.#child = child;
    await eventually(() => this.#ping(child), { within: 60_000, every: 50 });
  }

  async dispose(): Promise<void> {
    await this.stop();
    await rm(this.folder, { recursive: true, force: true });
  }

  async #ping(child: Child): Promise<void> {
    if (!child.running) throw new Error(`PostgreSQL does not start:\n${child.output}`);
    await pingPostgres(this.url);
  }
}

/** @throws unless a query is answered */
export async function pingPostgres(url: string): Promise<void> {
  const client = new pg.Client({ connectionString: url, connectionTimeoutMillis: 2_000 });
  client.on('error', () => {}); // The query that it breaks rejects as well.
  try {
    await client.connect();
    await client.query('SELECT 1');
  } finally {
    await client.end();
  }
}
