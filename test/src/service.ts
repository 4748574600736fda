import { randomBytes } from 'node:crypto';
import { fileURLToPath } from 'node:url';
import { Argon2Hasher } from '@presence/adapters/argon2';
import { createPool, type Pool, PostgresUserStore } from '@presence/adapters/postgres';
import { connect } from 'amqplib';
import type { Child } from './child.js';
import type { Database } from './database.js';
import { eventually } from './eventually.js';
import { freePorts } from './free-port.js';
import { startProcess } from './process.js';
import { services } from './services.js';

type Settings = Readonly<Record<string, string>>;

export interface ServiceOptions {
  /** Settings of the API; without them there is only a worker. */
  readonly api?: Settings;
  /** The broker, where it is not the one of all tests. */
  readonly amqpUrl?: string;
}

interface Surroundings {
  readonly database: Database;
  readonly amqpUrl: string;
  readonly jwtSecret: string;
}

interface RunningProcess {
  readonly child: Child;
  /** Where it says how it is. */
  readonly url: string;
}

/** The service as operators run it: its own processes, on real PostgreSQL and real RabbitMQ. */
export class Service {
  readonly amqpUrl: string;
  readonly jwtSecret: string;
  readonly #database: Database;
  readonly #pool: Pool;
  readonly #processes: RunningProcess[] = [];
  #url = '';

  private constructor({ database, amqpUrl, jwtSecret }: Surroundings) {
    this.amqpUrl = amqpUrl;
    this.jwtSecret = jwtSecret;
    this.#database = database;
    this.#pool = createPool({ url: database.url, size: 2, applicationName: 'a test' });
  }

  static async start({ api, amqpUrl }: ServiceOptions = {}): Promise<Service> {
    const found = await services();
    const service = new Service({
      database: await found.createDatabase(),
      amqpUrl: amqpUrl ?? found.amqpUrl,
      jwtSecret: randomBytes(32).toString('hex'),
    });
    await clearBroker(service.amqpUrl);
    await service.#startWorker();
    if (api !== undefined) await service.#startApi(api);
    await eventually(() => service.#assertReady(), { within: 30_000 });
    return service;
  }

  /** Where the API is; empty without one. */
  get url(): string {
    return this.#url;
  }

  /** Adds a user that may log in. @returns the id */
  async addUser(username: string, password: string, role = 'user'): Promise<number> {
    const passwordHash = await new Argon2Hasher().hash(password);
    const email = `${username}@example.com`;
    const users = new PostgresUserStore(this.#pool, 'presence');
    return (await users.add({ username, email, role, passwordHash })).id;
  }

  /** What the user's row says, as the database has it; `undefined` without a row. */
  async row(username: string): Promise<{ status: string; session: string } | undefined> {
    const { rows } = await this.#pool.query<{ status: string; session: string }>(
      `SELECT online_status AS status, session_id AS session
       FROM users JOIN user_presence ON user_presence.user_id = users.id
       WHERE username = $1`,
      [username],
    );
    return rows[0];
  }

  async stop(): Promise<void> {
    await Promise.all(this.#processes.map(({ child }) => child.end('SIGTERM')));
    await this.#pool.end();
    await clearBroker(this.amqpUrl);
    await this.#database.drop();
  }

  async #startWorker(): Promise<void> {
    const [ops] = await freePorts(1);
    const child = this.#start('worker', { OPS_PORT: `${ops}` });
    this.#processes.push({ child, url: `http://127.0.0.1:${ops}` });
  }

  async #startApi(settings: Settings): Promise<void> {
    const [port, ops] = await freePorts(2);
    const child = this.#start('api', { PORT: `${port}`, OPS_PORT: `${ops}`, ...settings });
    this.#url = `http://127.0.0.1:${port}`;
    this.#processes.push({ child, url: this.#url });
  }

  #start(name: 'api' | 'worker', settings: Settings): Child {
    const entry = new URL(`../../packages/${name}/dist/main.js`, import.meta.url);
    const env = {
      DATABASE_URL: this.#database.url,
      AMQP_URL: this.amqpUrl,
      JWT_SECRET: this.jwtSecret,
      HOST: '127.0.0.1',
      MIGRATE_ON_START: 'false',
      ...settings,
    };
    return startProcess(fileURLToPath(entry), { env });
  }

  async #assertReady(): Promise<void> {
    for (const { child, url } of this.#processes) {
      if (!child.running) throw new Error(`A process ended:\n${child.output.slice(-4_000)}`);
      const response = await fetch(`${url}/health/ready`);
      const { status } = (await response.json()) as { status: string };
      if (status !== 'ok') throw new Error(`${url} is ${status}.`);
    }
  }
}

/** Takes everything of the service's from the broker: every suite begins with nothing. */
async function clearBroker(url: string): Promise<void> {
  const connection = await connect(url);
  const channel = await connection.createChannel();
  for (const queue of ['presence.writer', 'presence.dead']) await channel.deleteQueue(queue);
  for (const exchange of ['presence.events', 'presence.changes', 'presence.dead']) {
    await channel.deleteExchange(exchange);
  }
  await connection.close();
}
