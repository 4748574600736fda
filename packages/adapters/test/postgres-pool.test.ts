import { createPool, type Pool, PostgresChangeOutbox } from '@presence/adapters/postgres';
import { Unavailable } from '@presence/domain';
import { type Database, services } from '@presence/test-services';
import { expect } from 'chai';
import pg from 'pg';
import { TcpProxy } from './tcp-proxy.js';

describe('A connection to PostgreSQL', () => {
  let database: Database;
  let pool: Pool;

  before(async () => {
    database = await (await services()).createDatabase();
    pool = createPool({ url: database.url, size: 1, applicationName: 'the one that breaks' });
  });

  after(async () => {
    await pool.end();
    await database.drop();
  });

  it('may break while its transaction waits for something else: the transaction fails, the process stays', async () => {
    const outbox = new PostgresChangeOutbox(pool);
    await addChange();
    const relayed = await outbox.relay(1, breakConnection).catch((error: unknown) => error);
    expect(relayed).to.be.instanceOf(Unavailable);
    expect(await outbox.relay(1, () => Promise.resolve())).to.equal(1);
  });

  it('is not used again once its server has become read-only: the next one finds the new primary', async () => {
    const outbox = new PostgresChangeOutbox(pool);
    await addChange();
    const before = await backend();
    await pool.query('SET default_transaction_read_only = on');
    const relayed = await outbox.relay(1, () => Promise.resolve()).catch((error: unknown) => error);
    expect(relayed).to.be.instanceOf(Unavailable);
    expect(await outbox.relay(1, () => Promise.resolve())).to.equal(1);
    expect(await backend()).to.not.equal(before);
  });

  it('that says nothing fails its transaction within one timeout, not one more for the rollback', async () => {
    const url = new URL(database.url);
    const proxy = await TcpProxy.to(Number(url.port || 5432), url.hostname);
    url.host = `127.0.0.1:${proxy.port}`;
    const timeouts = { statement: 400 };
    const slow = createPool({
      url: url.href,
      size: 1,
      applicationName: 'in a black hole',
      timeouts,
    });
    const outbox = new PostgresChangeOutbox(slow);
    await outbox.relay(1, () => Promise.resolve());
    proxy.swallow(true);
    const begun = performance.now();
    const relayed = await outbox.relay(1, () => Promise.resolve()).catch((error: unknown) => error);
    expect(relayed).to.be.instanceOf(Unavailable);
    expect(performance.now() - begun).to.be.below(1_100);
    await proxy.close();
    await slow.end();
  });

  async function backend(): Promise<number> {
    return (await pool.query<{ pid: number }>('SELECT pg_backend_pid() AS pid')).rows[0]!.pid;
  }

  function addChange(): Promise<unknown> {
    return pool.query(`
      INSERT INTO presence_outbox (size, changes)
      VALUES (1, '[[1, "offline", "online", 1000, 1000, "login"]]')`);
  }

  /** Resolves once the connection of the transaction is gone, and everybody has been told. */
  async function breakConnection(): Promise<void> {
    const client = new pg.Client({ connectionString: database.url });
    await client.connect();
    const { rowCount } = await client.query(`
      SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity
      WHERE application_name = 'the one that breaks' AND datname = current_database()`);
    await client.end();
    expect(rowCount).to.equal(1);
  }
});
