import { once } from 'node:events';
import { writeFile } from 'node:fs/promises';
import { type AddressInfo, createServer } from 'node:net';
import { join } from 'node:path';
import {
  createPool,
  type Pool,
  PostgresChangeOutbox,
  PostgresIdentityStore,
  PostgresPresenceReader,
} from '@presence/adapters/postgres';
import { Unavailable } from '@presence/domain';
import { type Database, services, temporaryFolder } from '@presence/test-services';
import { expect } from 'chai';
import pg from 'pg';
import { connectionConfig, inOrder, transactionWithEnding } from '../dist/postgres/pool.js';
import { TcpProxy } from './tcp-proxy.js';

const CHANGE = `INSERT INTO presence_outbox (size, changes)
  VALUES (1, '[[1, "offline", "online", 1000, 1000, "login"]]')`;

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

  it('commits nothing where a statement fails that is sent together with the COMMIT, and goes on', async () => {
    const before = [await backend(), await changes()];
    const sent = transactionWithEnding(pool, async (client) => {
      await client.query(CHANGE);
      const failing = async () => (await client.query('SELECT 1 / 0')).rows;
      return () => inOrder([failing(), client.query(CHANGE)]);
    });
    expect(await sent.catch(({ sqlState }) => sqlState)).to.equal('22012');
    expect([await backend(), await changes()]).to.deep.equal(before);
  });

  it('whose TLS is broken off, as by a server that starts, is as good as none', async () => {
    for (const answer of ['S', 'E']) {
      const server = createServer((client) => {
        client
          .on('error', () => {})
          .once('data', () => {
            client.write(answer);
            client.once('data', () => client.destroy());
          });
      });
      server.listen(0, '127.0.0.1');
      await once(server, 'listening');
      const { port } = server.address() as AddressInfo;
      const url = `postgres://127.0.0.1:${port}/x?sslmode=no-verify`;
      const own = createPool({ url, size: 1, applicationName: 'test' });
      const identities = new PostgresIdentityStore(own, 'presence');
      const asked = await identities.unknown([1]).catch((error: unknown) => error);
      expect(asked, answer).to.be.instanceOf(Unavailable);
      await own.end();
      server.close();
    }
  });

  it('that waits for a table too long is as good as none', async () => {
    const locker = new pg.Client({ connectionString: database.url });
    await locker.connect();
    await locker.query('BEGIN; LOCK TABLE users IN ACCESS EXCLUSIVE MODE');
    const waiting = createPool({
      ...{ url: database.url, size: 1, applicationName: 'the one that waits' },
      timeouts: { lock: 100 },
    });
    const reader = new PostgresPresenceReader(waiting, { offlineAfter: 1_000 });
    const read = await reader.user(1).catch((error: unknown) => error);
    expect(read).to.be.instanceOf(Unavailable);
    await locker.end();
    expect((await reader.user(1)).value).to.equal(null);
    await waiting.end();
  });

  it('that waits for somebody else who adds a user is as good as none, until that is done', async () => {
    const adding = new pg.Client({ connectionString: database.url });
    await adding.connect();
    await adding.query(`BEGIN; INSERT INTO users (id, issuer, subject, username, role)
      VALUES (70, 'idp', 'seventy', 'seventy', 'user')`);
    const waiting = createPool({
      ...{ url: database.url, size: 1, applicationName: 'the one that waits' },
      timeouts: { lock: 20 },
    });
    const identity = { issuer: 'idp', subject: 'seventy' };
    const newcomer = { identity, profile: { username: 'seventy', email: null, role: 'user' } };
    const identities = new PostgresIdentityStore(waiting, 'presence');
    const created = await identities.create([newcomer]).catch((error: unknown) => error);
    expect(created).to.be.instanceOf(Unavailable);
    await adding.query('COMMIT');
    await adding.end();
    expect([...(await identities.create([newcomer])).values()]).to.deep.equal([70]);
    await waiting.end();
  });

  for (const tls of [
    '',
    '?sslmode=require',
    '?ssl=true&sslrootcert=none',
    '?sslmode=disable&a=b',
  ]) {
    it(`trusts the authority that it is given, be the address …${tls}`, async () => {
      const caFile = join(await temporaryFolder('authority'), 'ca.pem');
      await writeFile(caFile, 'the authority');
      const config = connectionConfig({ url: `postgres://a:b%40@localhost:1/c${tls}`, caFile });
      const client = new pg.Client(config) as pg.Client & { readonly ssl: unknown };
      expect(client.ssl).to.deep.equal({ ca: 'the authority' });
      expect([client.user, client.password, client.port]).to.deep.equal(['a', 'b@', 1]);
    });
  }

  it('keeps what else an address says of TLS: who we are', async () => {
    const folder = await temporaryFolder('certificate');
    const file = async (name: string) => {
      await writeFile(join(folder, name), name);
      return join(folder, name);
    };
    const [caFile, cert, key] = [await file('ca'), await file('cert'), await file('key')];
    const url = `postgres://a@localhost/c?sslmode=verify-full&sslcert=${cert}&sslkey=${key}`;
    const { ssl } = new pg.Client(connectionConfig({ url, caFile })) as unknown as { ssl: unknown };
    const { ca, cert: own, key: secret } = ssl as Record<string, unknown>;
    expect([ca, own, secret]).to.deep.equal(['ca', 'cert', 'key']);
  });

  async function backend(): Promise<number> {
    return (await pool.query<{ pid: number }>('SELECT pg_backend_pid() AS pid')).rows[0]!.pid;
  }

  async function changes(): Promise<number> {
    return (await pool.query('SELECT FROM presence_outbox')).rows.length;
  }

  function addChange(): Promise<unknown> {
    return pool.query(CHANGE);
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
