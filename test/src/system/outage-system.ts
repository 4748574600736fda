import pg from 'pg';
import type { Child } from '../child.js';
import { createDatabase } from '../database.js';
import { eventually } from '../eventually.js';
import { type RabbitServer, type Server, startPostgres, startRabbit } from '../index.js';
import { Client } from './client.js';
import { KoaApp } from './koa-app.js';
import { Ledger } from './ledger.js';
import { ADD_PEOPLE, addPeopleValues, type Person, peopleFrom } from './people.js';
import { type Api, JWT_SECRET, RunningSystem } from './running-system.js';
import { TcpProxy } from './tcp-proxy.js';

/** Milliseconds between heartbeats, and the silence after which a user is offline. */
export const INTERVAL = 1_000;
export const OFFLINE_AFTER = 3_000;

const SETTINGS = {
  HEARTBEAT_INTERVAL: `${INTERVAL}ms`,
  OFFLINE_AFTER: `${OFFLINE_AFTER}ms`,
  // Short, so that clients are refused in every outage.
  HEARTBEAT_HORIZON: '4s',
  LOG_LEVEL: 'warn',
};

/** The first worker's role in the database, by which what it does there can be told apart. */
const FIRST_WORKER = 'first_worker';

/** Two APIs, each with a way of its own to the broker, and two workers, on servers of their own. */
export class OutageSystem {
  readonly #system: RunningSystem;
  readonly #settings: Readonly<Record<string, string>>;
  readonly #clients: Client[] = [];
  readonly #killed = new Set<number>();
  #people = 0;
  workers: Child[] = [];
  apis: Api[] = [];
  readonly #apps: KoaApp[] = [];

  private constructor(
    readonly broker: RabbitServer,
    readonly postgres: Server,
    /** From each API to the broker. */
    readonly ways: readonly TcpProxy[],
    /** From the first worker to the database. */
    readonly workersWay: TcpProxy,
    /** From the first worker to the broker. */
    readonly workersBroker: TcpProxy,
    system: RunningSystem,
    settings: Readonly<Record<string, string>>,
  ) {
    this.#system = system;
    this.#settings = settings;
  }

  /** @param settings of all processes. @param first of the first API and the first worker alone */
  static async start(
    settings: Readonly<Record<string, string>> = {},
    first: Readonly<Record<string, string>> = {},
  ): Promise<OutageSystem> {
    const [broker, postgres] = await Promise.all([startRabbit(), startPostgres()]);
    const all = { ...SETTINGS, ...settings };
    const system = await RunningSystem.start(all, {
      amqpUrl: broker.url,
      databaseUrl: postgres.url,
      createDatabase: () => createDatabase(postgres.url, { empty: true }),
    });
    const ways = [await TcpProxy.to(broker.url), await TcpProxy.to(broker.url)];
    const workersWay = await TcpProxy.to(withUser(system.database.url, FIRST_WORKER));
    const workersBroker = await TcpProxy.to(broker.url);
    const outage = new OutageSystem(broker, postgres, ways, workersWay, workersBroker, system, all);
    await outage.query(`CREATE ROLE ${FIRST_WORKER} LOGIN SUPERUSER`);
    await outage.startWorkers(first);
    for (const [at, way] of ways.entries()) {
      const own = { AMQP_URL: way.url, ...(at === 0 ? first : {}) };
      outage.apis.push(await system.startApi({ settings: own }));
    }
    return outage;
  }

  /**
   * Adds an application of another team. Its role in the database, where it is to have one, may do
   * no more than keep a lease.
   */
  async startApp({ database }: { database: boolean }): Promise<KoaApp> {
    const options = { amqpUrl: this.broker.url, jwtSecret: JWT_SECRET };
    const databaseUrl = database ? await this.#roleForLeases() : undefined;
    const app = await KoaApp.start({ ...options, ...(databaseUrl && { databaseUrl }) });
    this.#apps.push(app);
    return app;
  }

  get databaseUrl(): string {
    return this.#system.database.url;
  }

  /** Only those APIs that run: a load balancer sends nobody to the others. */
  readonly addresses = (): string[] =>
    this.apis.filter(({ process }) => process.running).map(({ url }) => url);

  async startWorkers(first: Readonly<Record<string, string>> = {}): Promise<void> {
    this.workers = await Promise.all([
      this.#system.startWorker({
        DATABASE_URL: this.workersWay.url,
        AMQP_URL: this.workersBroker.url,
        ...first,
      }),
      this.#system.startWorker(),
    ]);
  }

  async killWorkers(): Promise<void> {
    await Promise.all(this.workers.map((worker) => this.kill(worker)));
  }

  /** The database says no to all that the first worker writes of anybody, until it is told to agree. */
  async refuseFirstWorker(sqlState: string): Promise<void> {
    await this.query(`
      CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS
        $$ BEGIN RAISE EXCEPTION 'Not now' USING ERRCODE = '${sqlState}'; END $$;
      CREATE TRIGGER refuse BEFORE UPDATE ON user_presence
        WHEN (current_user = '${FIRST_WORKER}') EXECUTE FUNCTION refuse()`);
  }

  async acceptFirstWorker(): Promise<void> {
    await this.query('DROP FUNCTION refuse() CASCADE');
  }

  async kill(child: Child): Promise<void> {
    this.#killed.add(child.pid);
    await child.kill();
  }

  ledger(adminToken: string): Ledger {
    return new Ledger({
      addresses: this.addresses,
      adminToken,
      amqpUrl: this.broker.url,
      databaseUrl: this.databaseUrl,
      pardonedAfter: Number.parseInt(this.#settings.OFFLINE_AFTER!, 10) - 700,
    });
  }

  async query<Row extends pg.QueryResultRow>(text: string, values: unknown[] = []): Promise<Row[]> {
    const client = new pg.Client({ connectionString: this.databaseUrl });
    client.on('error', () => {}); // The query that it breaks rejects.
    await client.connect();
    try {
      return (await client.query<Row>(text, values)).rows;
    } finally {
      await client.end().catch(() => {}); // It may have gone with the server.
    }
  }

  /** New users, whose clients begin to speak: to `app` alone, where it is given. */
  async arrive(count: number, app?: KoaApp): Promise<Client[]> {
    const people = await this.addPeople(count);
    const interval = Number.parseInt(this.#settings.HEARTBEAT_INTERVAL!, 10);
    const addresses = app ? () => [app.url] : this.addresses;
    const asks = app && KoaApp.request;
    const clients = people.map((person) => new Client({ ...person, addresses, asks, interval }));
    for (const client of clients) client.start();
    this.#clients.push(...clients);
    await eventually(() => this.assertOnline(clients), { within: 20_000, every: 200 });
    for (const client of clients) client.forgetPauses();
    return clients;
  }

  async addPeople(count: number, role = 'user'): Promise<Person[]> {
    const people = peopleFrom(this.#people + 1, count, role);
    this.#people += count;
    await this.query(ADD_PEOPLE, addPeopleValues(people));
    return people;
  }

  /** The rows of these users, as they are written. */
  async rows(clients: readonly Client[]): Promise<{ userId: number; status: string }[]> {
    return this.query(
      `SELECT user_id::int AS "userId", online_status AS status FROM user_presence
       WHERE user_id = ANY ($1)`,
      [clients.map(({ userId }) => userId)],
    );
  }

  /** How far as-of is behind the database's clock, in milliseconds. */
  async lag(): Promise<number> {
    const [row] = await this.query<{ lag: number }>(
      `SELECT (extract(epoch FROM clock_timestamp() - as_of) * 1000)::float AS lag
       FROM presence_clock`,
    );
    return row!.lag;
  }

  /** @throws with what a process wrote before it ended, where one did by itself */
  assertRunning(): void {
    const served = [...this.apis, ...this.#apps].map(({ process }) => process);
    const processes = [...this.workers, ...served];
    for (const { running, output, pid } of processes) {
      if (!running && !this.#killed.has(pid)) throw new Error(`A process ended:\n${output}`);
    }
  }

  /** What may tell why as-of stands where it does. */
  async describe(): Promise<string> {
    const tables = ['presence_clock', 'presence_publishers', 'publisher_marks', 'presence_inbox'];
    const rows = tables.map(async (table) => {
      const all = await this.query(`SELECT *, clock_timestamp() AS now FROM ${table}`);
      return `${table}:\n${all.map((row) => `${JSON.stringify(row)}\n`).join('')}`;
    });
    const served = [...this.apis, ...this.#apps].map(({ process }) => process);
    const logs = [...this.workers, ...served].map(({ pid, output }) => `${pid}:\n${output}`);
    return [...(await Promise.all(rows)), ...logs].join('\n');
  }

  async stop(): Promise<void> {
    await Promise.all(this.#clients.map((client) => client.leave()));
    await Promise.all(this.#apps.map((app) => app.stop()));
    await this.#system.stop();
    const ways = [...this.ways, this.workersWay, this.workersBroker];
    await Promise.all(ways.map((way) => way.close()));
    await Promise.all([this.broker.dispose(), this.postgres.dispose()]);
  }

  async assertOnline(clients: readonly Client[]): Promise<void> {
    const absent = (await this.rows(clients)).filter(({ status }) => status !== 'online');
    if (absent.length > 0) throw new Error(`${absent.length} are not online.`);
  }

  async #roleForLeases(): Promise<string> {
    await this.query(`CREATE ROLE shop LOGIN;
      GRANT SELECT ON presence_clock TO shop;
      GRANT SELECT, INSERT, UPDATE ON presence_publishers TO shop`);
    return withUser(this.databaseUrl, 'shop');
  }
}

function withUser(databaseUrl: string, name: string): string {
  const url = new URL(databaseUrl);
  url.username = name;
  return url.href;
}
