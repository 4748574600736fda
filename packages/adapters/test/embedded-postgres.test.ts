import { stat } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { type EmbeddedPostgres, startEmbeddedPostgres } from '@presence/adapters/embedded';
import { eventually, startProcess, temporaryFolder } from '@presence/test-services';
import { expect } from 'chai';
import pg from 'pg';

/** Far longer than a test pauses within one. */
const IDLE_TRANSACTION = 2_000;

describe('Embedded Postgres', () => {
  let folder: string;
  let database: EmbeddedPostgres;
  let pool: pg.Pool;

  before(async function () {
    this.timeout(60_000);
    folder = await temporaryFolder('embedded');
    await open();
  });

  after(close);

  async function open(): Promise<void> {
    database = await startEmbeddedPostgres(folder, { idleTransaction: IDLE_TRANSACTION });
    pool = new pg.Pool({ connectionString: database.url, max: 10 });
    pool.on('error', () => {});
  }

  async function close(): Promise<void> {
    await pool.end();
    await database.close();
  }

  it('lets nobody but its own account into its folder', async () => {
    expect((await stat(folder)).mode & 0o077).to.equal(0);
  });

  it('is reached by nobody else where the path of its folder is too long for a socket', async () => {
    const long = join(await temporaryFolder('embedded'), 'long'.repeat(30));
    const other = await startEmbeddedPostgres(long);
    const at = new URL(other.url).searchParams.get('host') ?? '';
    expect((await stat(at)).mode & 0o077).to.equal(0);
    const client = new pg.Client({ connectionString: other.url });
    await client.connect();
    expect((await client.query('SELECT 1 AS one')).rows).to.deep.equal([{ one: 1 }]);
    await client.end();
    await other.close();
    expect(await stat(at).catch(({ code }) => code)).to.equal('ENOENT');
  }).timeout(60_000);

  it('loses no update among concurrent transactions that read and then write', async () => {
    await pool.query('CREATE TABLE counter (n int)');
    await pool.query('INSERT INTO counter VALUES (0)');
    await Promise.all(Array.from({ length: 200 }, addOne));
    expect((await pool.query('SELECT n FROM counter')).rows).to.deep.equal([{ n: 200 }]);
  });

  async function addOne(): Promise<void> {
    const client = await pool.connect();
    try {
      await client.query('BEGIN');
      const { rows } = await client.query({ name: 'read', text: 'SELECT n FROM counter' });
      await client.query({
        name: 'write',
        text: 'UPDATE counter SET n = $1',
        values: [rows[0].n + 1],
      });
      await client.query('COMMIT');
    } finally {
      client.release();
    }
  }

  it('gives each of many connections the answer to its own question', async () => {
    const answers = await Promise.all(
      Array.from({ length: 500 }, (_, n) => pool.query('SELECT $1::int AS n', [n])),
    );
    expect(answers.map(({ rows }) => rows[0].n)).to.deep.equal([...answers.keys()]);
  });

  it('keeps prepared statements of one name on two connections apart', async () => {
    const [one, two] = [await pool.connect(), await pool.connect()];
    const ask = (client: pg.PoolClient, text: string) => client.query({ name: 'same', text });
    await ask(one, 'SELECT 1 AS n');
    await ask(two, 'SELECT 2 AS n');
    expect((await ask(one, 'SELECT 1 AS n')).rows).to.deep.equal([{ n: 1 }]);
    expect((await ask(two, 'SELECT 2 AS n')).rows).to.deep.equal([{ n: 2 }]);
    one.release();
    two.release();
  });

  it('goes on after an error in one connection, in a transaction or not', async () => {
    const failures = Array.from({ length: 20 }, (_, n) =>
      pool.query('SELECT 1 / $1::int', [0]).then(
        () => `${n} went well`,
        (error: pg.DatabaseError) => error.code,
      ),
    );
    const successes = Array.from({ length: 20 }, () => pool.query('SELECT 1'));
    expect(new Set(await Promise.all(failures))).to.deep.equal(new Set(['22012']));
    await Promise.all(successes);
    const client = await pool.connect();
    await client.query('BEGIN');
    await client.query('SELECT nonsense').catch(() => {});
    await client.query('ROLLBACK');
    client.release();
  });

  it('undoes what a connection had begun when it breaks off, and lets the others in', async () => {
    await pool.query('CREATE TABLE half_done (n int)');
    const client = await pool.connect();
    client.on('error', () => {});
    await client.query('BEGIN');
    await client.query('INSERT INTO half_done VALUES (1)');
    const waiting = pool.query('SELECT count(*)::int AS n FROM half_done');
    (
      client as unknown as { connection: { stream: { destroy(): void } } }
    ).connection.stream.destroy();
    expect((await waiting).rows).to.deep.equal([{ n: 0 }]);
    client.release(true);
  });

  it('ends a connection that sits in a transaction, however much others ask meanwhile', async () => {
    const idle = new pg.Client({ connectionString: database.url });
    const ended = new Promise<void>((resolve) => idle.once('end', resolve));
    idle.on('error', () => {}); // 'end' follows.
    await idle.connect();
    await idle.query('BEGIN');
    let asked = 0;
    const ask = async () => {
      const another = new pg.Client({ connectionString: database.url });
      await another.connect();
      await another.end();
      asked++;
    };
    const asking = setInterval(() => void ask(), 100);
    await ended;
    await eventually(() => asked > 1);
    clearInterval(asking);
  });

  it('forgets the prepared statements of connections that have closed', async () => {
    const client = new pg.Client({ connectionString: database.url });
    await client.connect();
    await client.query({ name: 'gone-soon', text: 'SELECT 1' });
    await client.end();
    await eventually(async () => {
      const { rows } = await pool.query(
        `SELECT 1 FROM pg_prepared_statements WHERE name LIKE '%gone-soon'`,
      );
      return rows.length === 0;
    });
  });

  it('still has everything after it was closed and opened again', async () => {
    await pool.query('CREATE TABLE kept AS SELECT generate_series(1, 1000) AS n');
    await close();
    await open();
    const { rows } = await pool.query('SELECT sum(n)::int AS sum FROM kept');
    expect(rows).to.deep.equal([{ sum: 500_500 }]);
  });

  it('still has every commit that it told of after kill -9', async function () {
    this.timeout(180_000);
    const where = join(folder, 'killed');
    const entry = fileURLToPath(new URL('embedded-process.js', import.meta.url));
    const child = startProcess(entry, { args: [where] });
    await child.waitForOutput(/committed 200\n/, 150_000); // A slow disk takes its time.
    await child.kill();
    const told = Number([...child.stdout.matchAll(/committed (\d+)\n/g)].at(-1)![1]);
    const reopened = await startEmbeddedPostgres(where);
    const client = new pg.Client({ connectionString: reopened.url });
    await client.connect();
    const { rows } = await client.query('SELECT count(*)::int AS n, max(n) AS last FROM counted');
    await client.end();
    await reopened.close();
    expect(rows[0].n).to.equal(rows[0].last);
    expect(rows[0].n).to.be.oneOf([told, told + 1]);
  });
});
