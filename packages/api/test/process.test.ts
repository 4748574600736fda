import { createSecretKey } from 'node:crypto';
import { createServer } from 'node:net';
import { fileURLToPath } from 'node:url';
import { JwtIssuer } from '@presence/adapters/jwt';
import {
  type Child,
  type Database,
  eventually,
  freePorts,
  services,
  startProcess,
} from '@presence/test-services';
import { expect } from 'chai';
import { Client, send } from './answers.js';

const MAIN = fileURLToPath(new URL('../dist/main.js', import.meta.url));
const SECRET = 'a secret of more than thirty-two bytes, for tests';
const NOWHERE = '127.0.0.1:1';

describe('npm run api', () => {
  let child: Child | undefined;
  let database: Database | undefined;
  let port: number;
  let opsPort: number;

  beforeEach(async () => {
    [port = 0, opsPort = 0] = await freePorts(2);
  });
  afterEach(async () => {
    await child?.end('SIGKILL');
    await database?.drop();
    child = database = undefined;
  });

  function start(env: Record<string, string>): Child {
    const common = {
      HOST: '127.0.0.1',
      PORT: `${port}`,
      OPS_PORT: `${opsPort}`,
      JWT_SECRET: SECRET,
    };
    child = startProcess(MAIN, { env: { ...common, ...env } });
    return child;
  }

  function accessToken(id: number, role = 'user'): string {
    const claims = { username: 'username', email: 'email', role: 'role', session: 'sid' };
    const issuer = new JwtIssuer({
      signing: { algorithm: 'HS256', key: createSecretKey(Buffer.from(SECRET)) },
      issuer: 'presence',
      audience: 'presence',
      claims,
      adminRole: 'admin',
      accessTokenTtl: 900_000,
    });
    return issuer.issue({ id, username: `user${id}`, email: null, role }, `session ${id}`);
  }

  async function ready(): Promise<number> {
    return (await send(port, 'GET', '/health/ready', {}).catch(() => ({ status: 0 }))).status;
  }

  it('names every fault of its configuration at once, and exits with 2', async () => {
    const api = start({ JWT_SECRET: 'short', HEARTBEAT_INTERVAL: '30', CORS_ORIGINS: 'nonsense' });
    expect((await api.exited).code).to.equal(2);
    for (const name of [
      'DATABASE_URL',
      'AMQP_URL',
      'JWT_SECRET',
      'HEARTBEAT_INTERVAL',
      'CORS_ORIGINS',
    ]) {
      expect(api.stderr).to.include(name);
    }
    expect(api.output).to.not.include('short\n');
  });

  it('says whose port it cannot have, and exits with 1', async () => {
    const other = createServer().listen(port, '127.0.0.1');
    const api = start({
      DATABASE_URL: `postgres://nobody@${NOWHERE}/none`,
      AMQP_URL: `amqp://${NOWHERE}`,
    });
    expect((await api.exited).code).to.equal(1);
    expect(api.stderr).to.include(`Port ${port} is taken`);
    await new Promise((resolve) => other.close(resolve));
  });

  it('serves what it can while broker and database are away, and ends in time', async () => {
    const api = start({
      DATABASE_URL: `postgres://nobody@${NOWHERE}/none`,
      AMQP_URL: `amqp://${NOWHERE}`,
    });
    await eventually(async () => (await ready()) === 503);
    const client = await Client.of(port);
    expect((await client.get('/health/ready')).body.state).to.equal('starting');
    const token = accessToken(7);
    expect((await client.post('/api/users/heartbeat/', { token })).status).to.equal(200);
    expect((await client.get('/api/users/me/', { token })).status).to.equal(503);
    const login = { username: 'a', password: 'b' };
    expect((await client.post('/api/users/login/', { body: login })).status).to.equal(503);
    const since = Date.now();
    api.signal('SIGTERM');
    expect((await api.exited).code).to.equal(0);
    expect(Date.now() - since).to.be.below(10_000);
  });

  it('migrates, becomes ready, publishes, and ends gracefully', async () => {
    const found = await services();
    database = await found.createDatabase({ empty: true });
    const api = start({ DATABASE_URL: database.url, AMQP_URL: found.amqpUrl });
    await eventually(async () => (await ready()) === 200, { within: 20_000 });
    const client = await Client.of(port);
    const token = accessToken(7, 'admin');
    expect((await client.post('/api/users/heartbeat/', { token })).status).to.equal(200);
    const me = await client.get('/api/users/me/', { token });
    expect(me.body, me.text).to.include({ id: 7, username: 'user7', online_status: 'online' });
    const list = await client.get('/api/users/management/list/', { token });
    expect(list.body.users, list.text).to.have.length(1);
    expect((await client.get('/api/users/admin/users/online/', { token })).status).to.equal(200);
    expect((await client.get('/api/users/management/statistics/', { token })).status).to.equal(200);
    await eventually(async () => {
      const { text } = await send(opsPort, 'GET', '/metrics', {});
      return /presence_events_confirmed_total [1-9]/.test(text);
    });
    const out = await client.post('/api/users/logout/', { token });
    expect(out.body).to.include({ message: 'Logged out', online_status: 'offline' });
    expect((await client.get('/api/users/me/', { token })).status).to.equal(401);
    api.signal('SIGTERM');
    expect((await api.exited).code).to.equal(0);
    expect(api.output).to.not.include(token);
  });
});
