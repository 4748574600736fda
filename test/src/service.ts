import { randomBytes } from 'node:crypto';
import { fileURLToPath } from 'node:url';
import { Argon2Hasher } from '@presence/adapters/argon2';
import { createPool, type Pool, PostgresUserStore } from '@presence/adapters/postgres';
import { type Channel, connect } from 'amqplib';
import type { Child } from './child.js';
import { eventually } from './eventually.js';
import { freePorts } from './free-port.js';
import { startProcess } from './process.js';
import { services } from './services.js';

const PACKAGES = new URL('../../packages/', import.meta.url);

type Settings = Readonly<Record<string, string>>;

export interface ServiceOptions {
  /** Settings of the API; without them there is only a worker. */
  readonly api?: Settings;
  /** The broker, where it is not the one of all tests. */
  readonly amqpUrl?: string;
}

/** The service as operators run it: its own processes, on real PostgreSQL and real RabbitMQ. */
export class Service {
  private constructor(
    readonly databaseUrl: string,
    readonly amqpUrl: string,
    readonly jwtSecret: string,
    /** Where the API is; empty without one. */
    readonly url: string,
    private readonly pool: Pool,
    private readonly processes: readonly Child[],
    private readonly drop: () => Promise<void>,
  ) {}

  static async start({ api, amqpUrl }: ServiceOptions = {}): Promise<Service> {
    const found = await services();
    const database = await found.createDatabase();
    const broker = amqpUrl ?? found.amqpUrl;
    await clearBroker(broker);
    const jwtSecret = randomBytes(32).toString('hex');
    const [port, apiOps, workerOps] = await freePorts(3);
    const settings = {
      DATABASE_URL: database.url,
      AMQP_URL: broker,
      JWT_SECRET: jwtSecret,
      HOST: '127.0.0.1',
      MIGRATE_ON_START: 'false',
      ...api,
    };
    const workerSettings = { ...settings, OPS_PORT: `${workerOps}` };
    const processes = [startProcess(entry('worker'), { env: workerSettings })];
    const url = api === undefined ? '' : `http://127.0.0.1:${port}`;
    if (url !== '') {
      const env = { ...settings, PORT: `${port}`, OPS_PORT: `${apiOps}` };
      processes.push(startProcess(entry('api'), { env }));
    }
    const pool = createPool({ url: database.url, size: 2, applicationName: 'a test' });
    const { drop } = database;
    const service = new Service(database.url, broker, jwtSecret, url, pool, processes, drop);
    await service.#ready([`http://127.0.0.1:${workerOps}`, ...(url === '' ? [] : [url])]);
    return service;
  }

  /** Adds a user that may log in. @returns the id */
  async addUser(username: string, password: string, role = 'user'): Promise<number> {
    const passwordHash = await new Argon2Hasher().hash(password);
    const email = `${username}@example.com`;
    const users = new PostgresUserStore(this.pool, 'presence');
    return (await users.add({ username, email, role, passwordHash })).id;
  }

  /** What the user's row says, as the database has it; `undefined` without a row. */
  async row(username: string): Promise<{ status: string; session: string } | undefined> {
    const { rows } = await this.pool.query<{ status: string; session: string }>(
      `SELECT online_status AS status, session_id AS session
       FROM users JOIN user_presence ON user_presence.user_id = users.id
       WHERE username = $1`,
      [username],
    );
    return rows[0];
  }

  async stop(): Promise<void> {
    await Promise.all(this.processes.map((process) => process.end('SIGTERM')));
    await this.pool.end();
    await clearBroker(this.amqpUrl);
    await this.drop();
  }

  async #ready(urls: readonly string[]): Promise<void> {
    const isReady = async (url: string) => {
      const ended = this.processes.find(({ running }) => !running);
      if (ended !== undefined) throw new Error(`A process ended:\n${ended.output.slice(-4_000)}`);
      const { status } = (await (await fetch(`${url}/health/ready`)).json()) as { status: string };
      if (status !== 'ok') throw new Error(`${url} is ${status}`);
    };
    await eventually(() => Promise.all(urls.map(isReady)), { within: 30_000 });
  }
}

/** Takes everything of the service's from the broker: every suite begins with nothing. */
async function clearBroker(url: string): Promise<void> {
  const connection = await connect(url);
  const channel = await connection.createChannel();
  await deleteAll(channel);
  await connection.close();
}

async function deleteAll(channel: Channel): Promise<void> {
  for (const queue of ['presence.writer', 'presence.dead']) await channel.deleteQueue(queue);
  for (const exchange of ['presence.events', 'presence.changes', 'presence.dead']) {
    await channel.deleteExchange(exchange);
  }
}

function entry(name: 'api' | 'worker'): string {
  return fileURLToPath(new URL(`${name}/dist/main.js`, PACKAGES));
}
