import { execFile } from 'node:child_process';
import { readFile, stat } from 'node:fs/promises';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { startEmbeddedPostgres } from '@presence/adapters/embedded';
import { createPool } from '@presence/adapters/postgres';
import { eventually, services, temporaryFolder } from '@presence/test-services';
import { expect } from 'chai';
import { databaseFolder } from '../dist/open-database.js';
import { RunningStandalone, startInVain, startWaiting, users } from './running-standalone.js';

const run = promisify(execFile);

describe('npm start without configuration', function () {
  this.timeout(90_000);
  let folder: string;
  let presence: RunningStandalone;

  before(async () => {
    folder = join(await temporaryFolder('standalone'), 'data');
    presence = await RunningStandalone.start(folder);
  });

  after(() => presence.child.end('SIGINT'));

  it('listens on this machine alone, because everybody knows its passwords', () => {
    expect(presence.address).to.match(/^http:\/\/127\.0\.0\.1:\d+$/);
  });

  it('prints the demo logins and three curl lines that work as printed', async () => {
    const text = presence.child.stdout;
    expect(text).to.contain('ahmad / ahmad-demo').and.to.contain('admin / admin-demo');
    const lines = [...text.matchAll(/^curl .*$/gm)].map(([line]) => line);
    expect(lines).to.have.length(3);
    const answers: unknown[] = [];
    for (const line of lines) answers.push(JSON.parse((await run('sh', ['-c', line])).stdout));
    expect(answers[0]).to.have.nested.property('user.username', 'ahmad');
    expect(answers[1]).to.include({ username: 'ahmad', online_status: 'online', is_online: true });
    expect(answers[2]).to.have.property('online_count').that.is.greaterThan(0);
  });

  it('takes a heartbeat and shows it to an admin', async () => {
    const token = await presence.login('ahmad', 'ahmad-demo');
    const admin = await presence.login('admin', 'admin-demo');
    const heartbeat = await presence.ask('POST', '/api/users/heartbeat/', {
      token,
      body: { status: 'away' },
    });
    expect(heartbeat.body).to.include({ message: 'Heartbeat recorded', online_status: 'away' });
    const { id } = (await presence.ask('GET', '/api/users/me/', { token: admin })).body;
    expect(id).to.equal(2);
    await eventually(async () => {
      const path = '/api/users/admin/users/1/online-status/';
      return (await presence.ask('GET', path, { token: admin })).body.online_status === 'away';
    });
  });

  it('keeps its secret for its own account', async () => {
    expect((await stat(join(folder, 'jwt-secret'))).mode & 0o077).to.equal(0);
    expect((await readFile(join(folder, 'jwt-secret'), 'utf8')).trim()).to.have.length(64);
  });

  it('refuses a second process on its data folder, and names itself', async () => {
    const { code, output } = await startInVain(folder);
    expect(code).to.equal(1);
    expect(output).to.contain(`process ${presence.child.pid}`);
  });

  it('says so where its port is taken', async () => {
    const server = createServer();
    await new Promise<void>((done) => server.listen(0, '127.0.0.1', done));
    const { port } = server.address() as { port: number };
    const other = join(await temporaryFolder('standalone'), 'data');
    const { code, output } = await startInVain(other, { PORT: String(port) });
    server.close();
    expect(code).to.equal(1);
    expect(output).to.contain(`Port ${port} is taken`);
  });

  it('lets users be added, listed, given another password and removed beside it', async () => {
    const { environment } = presence;
    const add = ['add', '--username', 'sara', '--email', 'sara@example.com', '--admin'];
    expect(await users(environment, add, 'first secret\n')).to.include({ code: 0, stderr: '' });
    const list = JSON.parse((await users(environment, ['list', '--json'])).stdout);
    expect(list[2]).to.include({ username: 'sara', email: 'sara@example.com', role: 'admin' });
    await presence.login('sara', 'first secret');
    await users(environment, ['set-password', '--username', 'sara'], 'second secret\n');
    await presence.login('sara', 'second secret');
    expect((await users(environment, ['remove', '--username', 'sara'])).code).to.equal(0);
    const again = await users(environment, ['remove', '--username', 'sara']);
    expect(again.code).to.equal(1);
    expect(again.stderr).to.contain('There is no user "sara"');
  });

  it('removes by id, too, and one user alone', async () => {
    const { environment } = presence;
    await users(environment, ['add', '--username', 'lina'], 'first secret\n');
    const list = JSON.parse((await users(environment, ['list', '--json'])).stdout);
    const { id } = list.find(({ username }: { username: string }) => username === 'lina');
    for (const wrong of ['lina', `0x${id.toString(16)}`]) {
      const { code, stderr } = await users(environment, ['remove', '--id', wrong]);
      expect([code, stderr.includes(`"${wrong}" is no id`)]).to.deep.equal([1, true]);
    }
    expect((await users(environment, ['remove', '--id', String(id)])).stdout).to.contain('Removed');
    const again = await users(environment, ['remove', '--id', String(id)]);
    expect(again.stderr).to.contain(`There is no user ${id}.`);
    const left = JSON.parse((await users(environment, ['list', '--json'])).stdout);
    expect(left).to.have.length(list.length - 1);
  });

  it('does not add the same name twice, nor a password that is too short', async () => {
    const { environment } = presence;
    const taken = await users(environment, ['add', '--username', 'ahmad'], 'long enough\n');
    expect(taken.code).to.equal(1);
    expect(taken.stderr).to.contain('The username "ahmad" is taken');
    const short = await users(environment, ['add', '--username', 'new'], 'short\n');
    expect(short.stderr).to.contain('at least 8 characters');
  });

  it('lists names so that no terminal obeys them', async () => {
    const { environment } = presence;
    const name = '\u001b[31mred\n9  root';
    await users(environment, ['add', '--username', name], 'long enough\n');
    const { stdout } = await users(environment, ['list']);
    expect(stdout).to.contain('\\u001b[31mred\\u000a9  root').and.not.contain('\u001b');
    await users(environment, ['remove', '--username', name]);
  });

  it('ends in order on Ctrl-C, and has everything at the next start', async () => {
    const token = await presence.login('ahmad', 'ahmad-demo');
    await presence.ask('POST', '/api/users/heartbeat/', { token, body: { status: 'away' } });
    expect(await presence.stop()).to.equal(0);
    presence = await RunningStandalone.start(folder);
    const me = await presence.ask('GET', '/api/users/admin/users/1/online-status/', {
      token: await presence.login('admin', 'admin-demo'),
    });
    expect(me.body.online_status).to.equal('away');
  });

  it('knows tokens of before it was started again', async () => {
    const token = await presence.login('ahmad', 'ahmad-demo');
    await presence.stop();
    presence = await RunningStandalone.start(folder);
    expect((await presence.ask('GET', '/api/users/me/', { token })).status).to.equal(200);
  });

  it('has every login and logout that it answered after kill -9', async () => {
    const token = await presence.login('ahmad', 'ahmad-demo');
    const { status } = await presence.ask('POST', '/api/users/logout/', { token });
    expect(status).to.equal(200);
    await presence.child.kill();
    presence = await RunningStandalone.start(folder);
    expect((await presence.ask('GET', '/api/users/me/', { token })).status).to.equal(401);
    const read = await presence.ask('GET', '/api/users/admin/users/1/online-status/', {
      token: await presence.login('admin', 'admin-demo'),
    });
    expect(read.body.online_status).to.equal('offline');
  });
});

describe('npm start', function () {
  this.timeout(90_000);

  it('explains itself with --help, and options that there are not', async () => {
    const folder = await temporaryFolder('standalone');
    const help = await startInVain(folder, {}, ['--help']);
    expect(help.code).to.equal(0);
    expect(help.output).to.contain('PRESENCE_DATA_DIR');
    const wrong = await startInVain(folder, {}, ['--nonsense']);
    expect(wrong.code).to.equal(1);
    expect(wrong.output).to.contain('--nonsense').and.to.contain('Usage');
  });

  it('reports every fault of its configuration at once, and ends with 2', async () => {
    const folder = await temporaryFolder('standalone');
    const { code, output } = await startInVain(folder, {
      HEARTBEAT_INTERVAL: '30',
      JWT_SECRET: 'short',
    });
    expect(code).to.equal(2);
    expect(output).to.contain('HEARTBEAT_INTERVAL').and.to.contain('JWT_SECRET');
  });

  it('leaves its folder to others where a command cannot bring the database up to date', async () => {
    const folder = await temporaryFolder('standalone');
    const database = await startEmbeddedPostgres(databaseFolder(folder));
    const pool = createPool({ ...database, size: 1, applicationName: 'presence-test' });
    await pool.query('CREATE TABLE users ()'); // As the first migration does.
    await pool.end();
    await database.close();
    for (const turn of ['first', 'second']) {
      const { code, stderr } = await users({ PRESENCE_DATA_DIR: folder }, ['list']);
      expect(code, turn).to.equal(1);
      expect(stderr, turn).to.contain('relation "users" already exists');
    }
  });

  describe('whose database is not there yet', () => {
    async function start() {
      const database = await (await services()).createDatabase({ empty: true });
      await database.drop();
      const folder = join(await temporaryFolder('standalone'), 'data');
      const environment = { DATABASE_URL: database.url, HOST: '127.0.0.1' };
      return { database, child: await startWaiting(folder, environment) };
    }

    it('waits for it', async () => {
      const { database, child } = await start();
      const name = new URL(database.url).pathname.slice(1);
      const { databaseUrl: url } = await services();
      const server = createPool({ url, size: 1, applicationName: 'presence-test' });
      await server.query(`CREATE DATABASE "${name}"`);
      await child.waitForOutput(/presence is running/, 30_000);
      await child.end('SIGINT');
      await server.query(`DROP DATABASE "${name}" WITH (FORCE)`);
      await server.end();
    });

    it('ends when it is told to', async () => {
      const { child } = await start();
      child.signal('SIGINT');
      expect((await child.exited).code).to.equal(0);
    });
  });

  for (const [road, withBroker] of [
    ['a database of ours and the queue inside', false],
    ['a database and a broker of ours', true],
  ] as const) {
    it(`runs on ${road}, without demo users unless asked for`, async () => {
      const { amqpUrl, createDatabase } = await services();
      const database = await createDatabase({ empty: true });
      const folder = join(await temporaryFolder('standalone'), 'data');
      const environment = {
        DATABASE_URL: database.url,
        HOST: '127.0.0.1',
        ...(withBroker && { AMQP_URL: amqpUrl }),
      };
      let presence = await RunningStandalone.start(folder, environment);
      expect(presence.child.stdout).not.to.contain('ahmad');
      await presence.stop();
      presence = await RunningStandalone.start(folder, environment, ['--demo']);
      const token = await presence.login('admin', 'admin-demo');
      const path = '/api/users/admin/users/1/set-online-status/';
      await eventually(
        async () =>
          (await presence.ask('POST', path, { token, body: { status: 'away' } })).status === 200,
      );
      const read = await presence.ask('GET', '/api/users/admin/users/1/online-status/', { token });
      expect(read.body.online_status).to.equal('away');
      expect(await presence.stop()).to.equal(0);
      await database.drop();
    });
  }
});
