import { spawnSync } from 'node:child_process';
import { chmod, mkdtemp, readdir, rmdir } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import amqp from 'amqplib';
import { expect } from 'chai';
import pg from 'pg';
import { eventually, services, startPostgres, startProcess, startRabbit } from './index.js';

async function ask(url: string, text: string): Promise<Record<string, unknown>[]> {
  const client = new pg.Client({ connectionString: url });
  await client.connect();
  try {
    return (await client.query<Record<string, unknown>>(text)).rows;
  } finally {
    await client.end();
  }
}

/** A process that has ended and that nobody has asked about yet, a zombie, is not alive. */
function isAlive(pid: number): boolean {
  const { stdout } = spawnSync('ps', ['-o', 'stat=', '-p', String(pid)], { encoding: 'utf8' });
  return stdout.trim() !== '' && !stdout.trim().startsWith('Z');
}

describe('Test services', function () {
  this.timeout(120_000);

  it('give each suite a database of its own, with all migrations', async () => {
    const { createDatabase } = await services();
    const [one, two] = await Promise.all([createDatabase(), createDatabase()]);
    await ask(one.url, 'CREATE TABLE mine (n int)');
    expect(await ask(two.url, `SELECT to_regclass('mine') AS t`)).to.deep.equal([{ t: null }]);
    expect(await ask(two.url, 'SELECT count(*)::int AS n FROM users')).to.deep.equal([{ n: 0 }]);
    await Promise.all([one.drop(), two.drop()]);
  });

  it('give an empty database to whoever asks for it', async () => {
    const { createDatabase } = await services();
    const { url, drop } = await createDatabase({ empty: true });
    expect(await ask(url, `SELECT to_regclass('users') AS t`)).to.deep.equal([{ t: null }]);
    await drop();
  });

  it('start a PostgreSQL that can be killed and comes back with its data, fsync as in production', async () => {
    const server = await startPostgres();
    const { pid } = server;
    await ask(server.url, 'CREATE TABLE kept AS SELECT 1 AS n');
    await server.kill();
    expect(isAlive(pid)).to.equal(false);
    await server.restart();
    expect(await ask(server.url, 'SELECT n FROM kept')).to.deep.equal([{ n: 1 }]);
    expect(await ask(server.url, 'SHOW fsync')).to.deep.equal([{ fsync: 'on' }]);
    await server.dispose();
    expect(isAlive(server.pid)).to.equal(false);
  });

  it('start a RabbitMQ that can be killed and comes back with what it confirmed', async () => {
    const broker = await startRabbit();
    await publish(broker.url, 'kept');
    // What is confirmed is on disk; that the queue was declared is written there some time later.
    await broker.ctl('eval', 'mnesia:sync_log().');
    const { pid } = broker;
    await broker.kill();
    expect(isAlive(pid)).to.equal(false);
    await broker.restart();
    const listing = () => broker.ctl('list_queues', '--no-table-headers', 'name', 'messages');
    await eventually(async () => (await listing()) === 'kept\t1\n', { within: 30_000 });
    await broker.dispose();
  });

  async function publish(url: string, queue: string): Promise<void> {
    const connection = await amqp.connect(url);
    const channel = await connection.createConfirmChannel();
    await channel.assertQueue(queue, { durable: true });
    channel.sendToQueue(queue, Buffer.from('x'), { persistent: true });
    await channel.waitForConfirms();
    await connection.close();
  }

  it('leave no process and no folder behind when the run is killed', async () => {
    // A temporary folder of its own: other tests, beside this one, come and go in the common one.
    const room = await mkdtemp(join(tmpdir(), 'presence-crash-'));
    await chmod(room, 0o755); // The server runs as another account than root.
    const entry = fileURLToPath(new URL('crashing-process.js', import.meta.url));
    const run = startProcess(entry, { env: { TMPDIR: room } });
    const [, pid] = await run.waitForOutput(/server (\d+)/);
    await run.exited;
    await eventually(() => !isAlive(Number(pid)));
    await eventually(async () => (await readdir(room)).length === 0);
    await rmdir(room);
  });
});
