import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { migrate } from '@presence/adapters/postgres';
import {
  Child,
  createDatabase,
  freePort,
  type RabbitServer,
  type Server,
  startPostgres,
  startRabbit,
  temporaryFolder,
} from '@presence/test-services';
import {
  ADD_PEOPLE,
  addPeopleValues,
  JWT_SECRET,
  type Person,
  peopleFrom,
  RunningSystem,
} from '@presence/test-services/system';
import { type Channel, type ChannelModel, connect } from 'amqplib';
import pg from 'pg';
import type { Tokens } from './load.js';

/** Of PostgreSQL, for everybody who is measured: what an operator gives it on 2 cores. */
const POSTGRES_SETTINGS = { shared_buffers: '1GB', max_wal_size: '8GB', max_connections: '200' };
const QUEUE = 'presence.writer';
const PEOPLE_AT_ONCE = 20_000;

/** Real servers on ports of their own, and people with tokens: what everybody is measured on. */
export class Stage {
  readonly broker: RabbitServer;
  readonly postgres: Server;
  readonly system: RunningSystem;
  readonly pool: pg.Pool;
  readonly folder: string;
  people: Person[] = [];
  /** Those without tokens included. */
  #users = 0;
  #connection: ChannelModel | undefined;
  #redis: { child: Child; url: string } | undefined;

  private constructor(parts: Pick<Stage, 'broker' | 'postgres' | 'system' | 'folder'>) {
    this.broker = parts.broker;
    this.postgres = parts.postgres;
    this.system = parts.system;
    this.folder = parts.folder;
    this.pool = new pg.Pool({ connectionString: parts.system.database.url, max: 4 });
    this.pool.on('error', () => {}); // The query that it breaks rejects.
  }

  static async start(): Promise<Stage> {
    const [broker, postgres] = await Promise.all([startRabbit(), startPostgres(POSTGRES_SETTINGS)]);
    const servers = {
      amqpUrl: broker.url,
      databaseUrl: postgres.url,
      createDatabase: () => createDatabase(postgres.url, { empty: true }),
    };
    const system = await RunningSystem.start({}, servers);
    await migrate({ url: system.database.url });
    return new Stage({ broker, postgres, system, folder: await temporaryFolder('bench') });
  }

  /** What the processes of peers need to know. */
  async peerSettings(): Promise<Record<string, string>> {
    const { url } = (await this.#startRedis()) ?? { url: '' };
    return {
      DATABASE_URL: this.system.database.url,
      AMQP_URL: this.broker.url,
      REDIS_URL: url,
      JWT_SECRET,
    };
  }

  /** Users in the database up to so many, each with a token; also in `account`, for the peers. */
  async populate(count: number): Promise<void> {
    await this.pool.query(ACCOUNTS);
    while (this.people.length < count) {
      const size = Math.min(PEOPLE_AT_ONCE, count - this.people.length);
      const people = peopleFrom(this.people.length + 1, size);
      await this.pool.query(ADD_PEOPLE, addPeopleValues(people));
      await this.pool.query(ADD_ACCOUNTS, [people.map(({ userId }) => userId)]);
      this.people.push(...people);
    }
    await this.pool.query('VACUUM (ANALYZE) users, user_presence, presence_online, account');
  }

  /** Users in the database up to so many, without tokens: never seen, or online as of now. */
  async addUsers(count: number, status: 'offline' | 'online' = 'offline'): Promise<void> {
    this.#users = Math.max(this.#users, this.people.length);
    await this.pool.query(ADD_USERS, [this.#users + 1, count, status]);
    this.#users = count;
    await this.pool.query(VACUUM_USERS);
  }

  /**
   * Another database of the same server, which goes with it, and in it so many users who are online
   * as of now. @returns its address
   */
  async databaseOf(users: number): Promise<string> {
    const { url } = await createDatabase(this.postgres.url, { empty: true });
    await migrate({ url });
    const pool = new pg.Pool({ connectionString: url, max: 1 });
    await pool.query(ADD_USERS, [1, users, 'online']);
    await pool.query(VACUUM_USERS);
    await pool.end();
    return url;
  }

  /** A file with the tokens of the first of them. */
  async tokens(count: number): Promise<Tokens> {
    const file = join(this.folder, `tokens-${count}`);
    const tokens = this.people.slice(0, count).map(({ token }) => token);
    await writeFile(file, `${tokens.join('\n')}\n`);
    return { file, count };
  }

  /** Somebody with the role of an admin. */
  async admin(): Promise<Person> {
    const [admin] = peopleFrom(1_000_000_001, 1, 'admin');
    await this.pool.query(`${ADD_PEOPLE} ON CONFLICT DO NOTHING`, addPeopleValues([admin!]));
    return admin!;
  }

  async #startRedis(): Promise<{ url: string } | undefined> {
    if (this.#redis !== undefined) return this.#redis;
    const port = await freePort();
    const settings = ['--bind', '127.0.0.1', '--port', String(port), '--save', ''];
    const child = new Child('redis-server', settings, { cwd: this.folder });
    if (child.pid === 0) return undefined; // There is none: the peer that needs it says so.
    await child.waitForOutput(/Ready to accept connections/);
    this.#redis = { child, url: `redis://127.0.0.1:${port}` };
    return this.#redis;
  }

  /** What lies in the queue is of no use to the next measurement. */
  async emptyQueue(): Promise<void> {
    await this.#withChannel((channel) => channel.purgeQueue(QUEUE));
  }

  /** Messages that no worker has been given yet. */
  async waiting(): Promise<number> {
    const { messageCount } = await this.#withChannel((channel) => channel.checkQueue(QUEUE));
    return messageCount;
  }

  /** Users who have ever been seen. */
  async seen(): Promise<number> {
    const { rows } = await this.pool.query<{ seen: string }>(
      'SELECT count(last_seen) AS seen FROM user_presence',
    );
    return Number(rows[0]!.seen);
  }

  async #withChannel<T>(work: (channel: Channel) => Promise<T>): Promise<T> {
    this.#connection ??= await connect(this.broker.url);
    const channel = await this.#connection.createChannel();
    try {
      return await work(channel);
    } finally {
      await channel.close();
    }
  }

  async stop(): Promise<void> {
    await this.pool.end();
    await this.#connection?.close();
    await this.system.stop();
    await this.#redis?.child.end('SIGTERM');
    await this.broker.dispose();
    await this.postgres.dispose();
  }
}

/** The documents' two fields, each with an index of its own. */
const ACCOUNTS = `
  CREATE TABLE IF NOT EXISTS account (
    id bigint PRIMARY KEY,
    username text NOT NULL,
    online_status text NOT NULL DEFAULT 'offline',
    last_seen timestamptz
  );
  CREATE INDEX IF NOT EXISTS account_status ON account (online_status);
  CREATE INDEX IF NOT EXISTS account_seen ON account (last_seen)`;
const ADD_ACCOUNTS = `
  INSERT INTO account (id, username) SELECT id, 'user' || id FROM unnest($1::bigint[]) AS id`;
const VACUUM_USERS = 'VACUUM (ANALYZE) users, user_presence, presence_online';
/** Those who are online are as a heartbeat left them, but for the room that they have not left yet. */
const ADD_USERS = `
  WITH added AS (
    INSERT INTO users (id, issuer, subject, username, role)
    SELECT id, 'presence', id::text, 'user' || id, 'user'
    FROM generate_series($1::bigint, $2::bigint) AS id RETURNING id
  ) INSERT INTO user_presence (user_id, last_seen, online_status, declared, found_status)
    SELECT id, CASE WHEN $3 = 'online' THEN clock_timestamp() END,
      $3::presence_status, $3::presence_status, $3::presence_status FROM added`;
