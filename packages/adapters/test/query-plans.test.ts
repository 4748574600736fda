import {
  createPool,
  PostgresIdentityStore,
  PostgresPresenceReader,
  PostgresPresenceStore,
} from '@presence/adapters/postgres';
import type { PresenceEvent } from '@presence/domain';
import { type Database, services } from '@presence/test-services';
import { expect } from 'chai';
import pg from 'pg';
import { POLICY } from './presence-store-contract.js';

const USERS = 200_000;
const PER_PAGE = 50;

/** After five runs PostgreSQL weighs a plan for all values against new ones (PREPARE, Notes). */
const RUNS_UNTIL_SETTLED = 7;

/** Runs every query of a reader under EXPLAIN as well: new, and as it is once run many times. */
class ExplainingPool {
  readonly plans: string[] = [];

  /** @param pool of one connection: prepared statements are a connection's own */
  constructor(readonly pool: pg.Pool) {}

  async query(config: pg.QueryConfig): Promise<pg.QueryResult> {
    const { name, text, values = [] } = config;
    await this.#explain({ text, values });
    if (name === undefined) return this.pool.query({ text, values });
    for (let run = 1; run < RUNS_UNTIL_SETTLED; run++) await this.pool.query(config);
    await this.#explain({ text: `EXECUTE "${name}" (${values.map(literal).join(', ')})` });
    return this.pool.query(config);
  }

  async #explain({ text, values }: pg.QueryConfig): Promise<void> {
    const explained = { text: `EXPLAIN (ANALYZE) ${text}`, ...(values && { values }) };
    const { rows } = await this.pool.query(explained);
    this.plans.push(rows.map((row) => row['QUERY PLAN']).join('\n'));
  }
}

function literal(value: unknown): string {
  if (Array.isArray(value)) return `'{${value.join(',')}}'`;
  return value === null ? 'NULL' : pg.escapeLiteral(String(value));
}

describe('With many users, the oldest and the newest of them online, the database', function () {
  this.timeout(120_000);
  let database: Database;
  let pool: pg.Pool;
  let explaining: ExplainingPool;
  let reader: PostgresPresenceReader;

  before(async () => {
    database = await (await services()).createDatabase();
    const timeouts = { statement: 60_000 };
    pool = createPool({ url: database.url, size: 1, applicationName: 'presence-test', timeouts });
    await pool.query(
      `INSERT INTO users (id, issuer, subject, username, email, role)
       SELECT id, 'presence', id::text, 'user' || id, 'user' || id || '@example.com', 'user'
       FROM generate_series(1, $1::int) id`,
      [USERS],
    );
    await pool.query(
      `INSERT INTO user_presence (user_id, online_status, last_seen)
      SELECT id, (CASE WHEN id <= 0.045 * $1::int OR id > 0.955 * $1::int THEN 'online'
        WHEN id > 0.945 * $1::int THEN 'away' ELSE 'offline' END)::presence_status, now() - id % 90 * interval '1 s' FROM users`,
      [USERS],
    );
    await pool.query('UPDATE presence_clock SET as_of = now()');
    await pool.query('VACUUM (ANALYZE) users');
    await pool.query('VACUUM (ANALYZE) user_presence, presence_online');
  });

  beforeEach(() => {
    explaining = new ExplainingPool(pool);
    reader = new PostgresPresenceReader(explaining as unknown as pg.Pool, {
      offlineAfter: 110_000,
    });
  });

  afterEach(() => {
    for (const plan of explaining.plans) {
      expect(plan).to.not.match(/Seq Scan on (users|user_presence)/);
      expect(plan).to.not.match(/Rows Removed by (Join )?Filter: \d{4,}/);
      expect(plan).to.not.match(/Sort Method: (external|quicksort\s+Memory: \d{4,})/);
    }
  });

  after(async () => {
    await pool.end();
    await database.drop();
  });

  const first = { page: 1, perPage: PER_PAGE };

  it("finds a user's status by index", () => reader.user(USERS / 2));

  it('finds 500 statuses by index', () =>
    reader.users(Array.from({ length: 500 }, (_, at) => at * 7 + 1)));

  it('gives who is online in the order of an index, by page and by cursor', async () => {
    const { value } = await reader.online(first);
    expect(value.items).to.have.length(PER_PAGE);
    await reader.online({ cursor: value.nextCursor!, perPage: PER_PAGE });
    for (const plan of explaining.plans) expect(plan).to.not.contain('Sort Key: p.last_seen');
  });

  for (const status of ['online', 'away', 'offline'] as const) {
    it(`filters those ${status} by index`, async () => {
      const { value } = await reader.list({ status }, first);
      await reader.list({ status }, { cursor: value.nextCursor!, perPage: PER_PAGE });
      const share = { online: 0.09, away: 0.01, offline: 0.9 }[status];
      expect(value.totalCount).to.equal(USERS * share);
    });
  }

  it('looks nobody up who is skipped, however far back a page of those offline lies', async () => {
    const { value } = await reader.list({ status: 'offline' }, { page: 1_000, perPage: PER_PAGE });
    expect(value.items).to.have.length(PER_PAGE);
    for (const plan of explaining.plans.splice(0)) expect(plan).to.not.match(/loops=\d{5,}/);
  });

  it('lists all by index, by page and by cursor', async () => {
    const { value } = await reader.list({}, first);
    await reader.list({}, { cursor: '', perPage: PER_PAGE });
    await reader.list({}, { cursor: value.nextCursor!, perPage: PER_PAGE });
  });

  it('searches by index', async () => {
    const { value } = await reader.list({ search: 'SER12345' }, first);
    expect(value.totalCount).to.equal(11);
  });

  it('looks for all who match before it puts them in order', async () => {
    for (const status of [undefined, 'online', 'away', 'offline'] as const) {
      await reader.list({ search: 'SER1999', ...(status && { status }) }, first);
    }
    for (const plan of explaining.plans) {
      const [search, page] = plan.split('CTE total');
      expect(search)
        .to.match(/CTE found\s/)
        .and.contain('~~*');
      expect(page).to.not.contain('~~*');
    }
  });

  it('searches by index, too, where a sample has what is looked for taken to be frequent', async () => {
    const sampled = async () => {
      const { rows } = await pool.query<{ by: string[] }>(`
        SELECT histogram_bounds::text::text[] AS by FROM pg_stats
        WHERE tablename = 'users' AND attname IN ('username', 'email')`);
      return rows.some(({ by }) => by.some((bound) => bound.includes('ser1999')));
    };
    // One in two thousand matches, and there are two hundred bounds: about each tenth sample.
    for (let turn = 0; turn < 200 && !(await sampled()); turn++) await pool.query('ANALYZE users');
    expect(await sampled()).to.equal(true);
    for (const status of [undefined, 'online', 'away', 'offline'] as const) {
      await reader.list({ search: 'SER1999', ...(status && { status }) }, first);
    }
  });

  it('searches among those online by index', async () => {
    const { value } = await reader.list({ search: 'SER1999', status: 'online' }, first);
    expect([value.items[0]?.id, value.totalCount]).to.deep.equal([1_999, 101]);
  });

  it('plans the first page of each list once', async () => {
    for (const status of [undefined, 'online', 'away', 'offline'] as const) {
      await reader.list(status ? { status } : {}, first);
    }
    await reader.online(first);
    const { rows } = await pool.query(`
      SELECT statement FROM pg_prepared_statements
      WHERE name LIKE 'page-%' AND statement NOT LIKE '%$2%' AND generic_plans = 0`);
    expect(rows).to.deep.equal([]);
  });

  it('counts by index', async () => {
    const { value } = await reader.statistics();
    expect(value).to.deep.equal({
      total: USERS,
      online: USERS * 0.09,
      away: USERS * 0.01,
      offline: USERS * 0.9,
    });
  });

  it('writes thousands of users by index, in order of user', async () => {
    const client = await pool.connect();
    const query = client.query.bind(client) as (config: unknown) => Promise<pg.QueryResult>;
    const explain = async (config: pg.QueryConfig | string) => {
      if (typeof config === 'object' && config.name === 'presence-write') {
        const { text, values } = config;
        const { rows } = await query({ text: `EXPLAIN ${text}`, values });
        explaining.plans.push(rows.map((row) => row['QUERY PLAN']).join('\n'));
      }
      return query(config);
    };
    Object.assign(client, { query: explain });
    const one = { connect: () => Promise.resolve(client) } as unknown as pg.Pool;
    const occurredAt = Date.now();
    const events = Array.from({ length: 4_000 }, (_, at): PresenceEvent => {
      const userId = 1 + ((at * 7_919) % USERS);
      return { type: 'heartbeat', userId, occurredAt, status: 'online', sessionId: '' };
    });
    try {
      await new PostgresPresenceStore(one, POLICY).apply({ events, ended: [], progress: [] });
    } finally {
      Reflect.deleteProperty(client, 'query');
    }
    expect(explaining.plans).to.have.length(1);
    expect(explaining.plans[0]).to.match(/Nested Loop.*\n.*Function Scan.*\n.*user_presence_pkey/);
  });

  it('finds and adds users by index, however many they are', async () => {
    const identities = new PostgresIdentityStore(explaining as unknown as pg.Pool, 'presence');
    const profile = { username: 'somebody', email: 'a@example.com', role: 'user' };
    const crowd = Array.from({ length: 500 }, (_, at) => ({
      ...{ identity: { issuer: 'presence', subject: String(1 + at * 391) }, profile },
    }));
    expect((await identities.create(crowd)).size).to.equal(500);
    expect(explaining.plans).to.have.length(4);
  });

  it('tells what is due by index, and sweeps by it', async () => {
    const store = new PostgresPresenceStore(explaining as unknown as pg.Pool, POLICY);
    expect((await store.due()).silent).to.equal(false);
    expect(await store.sweep(1_000, 0)).to.equal(0);
    expect(explaining.plans).to.have.length(4);
  });

  it('has both fields in an index, as the documents ask', async () => {
    const { rows } = await pool.query<{ indexdef: string }>(
      `SELECT indexdef FROM pg_indexes WHERE tablename = 'user_presence' ORDER BY indexname`,
    );
    const definitions = rows.map(({ indexdef }) => indexdef);
    expect(definitions.some((text) => text.includes('(online_status'))).to.equal(true);
    expect(definitions.some((text) => text.includes('last_seen DESC'))).to.equal(true);
  });
});
