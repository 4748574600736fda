import { createSecretKey } from 'node:crypto';
import { fileURLToPath } from 'node:url';
import { JwtIssuer } from '@presence/adapters/jwt';
import { expect } from 'chai';
import type { Child } from './child.js';
import { eventually } from './eventually.js';
import { freePort } from './free-port.js';
import { type RabbitServer, startRabbit } from './index.js';
import { startProcess } from './process.js';
import { Service } from './service.js';

const APP = fileURLToPath(new URL('../../examples/koa-app/app.js', import.meta.url));

/** Far above what an answer takes, far below any timeout of a broker's client. */
const AT_ONCE = 500;

describe('A Koa application of another team, with the tracking middleware in front', function () {
  this.timeout(60_000);
  let broker: RabbitServer;
  let service: Service;
  let app: Child;
  let url: string;
  let users = 0;

  before(async function () {
    this.timeout(150_000);
    broker = await startRabbit();
    service = await Service.start({ amqpUrl: broker.url });
    const port = await freePort();
    url = `http://127.0.0.1:${port}`;
    const env = { PORT: `${port}`, JWT_SECRET: service.jwtSecret, AMQP_URL: broker.url };
    app = startProcess(APP, { env });
    await app.waitForOutput(/is open/);
  });

  after(async () => {
    await app?.end('SIGTERM');
    await service?.stop();
    await broker?.dispose();
  });

  /** A user of their own for every test. @returns the username, and how they ask */
  async function newUser() {
    const username = `user-${++users}`;
    const id = await service.addUser(username, 'a password');
    const token = tokenOf(id, username, service.jwtSecret);
    const ask = (path: string, init: RequestInit = {}, at = url) =>
      fetch(at + path, {
        ...init,
        headers: { ...init.headers, Authorization: `Bearer ${token}` },
      });
    const isOnline = async () => (await service.row(username))?.status === 'online';
    return { username, ask, isOnline };
  }

  it('sets the user of a request online', async () => {
    const { username, ask, isOnline } = await newUser();
    expect((await ask('/products')).status).to.equal(200);
    await eventually(isOnline, { within: 5_000 });
    expect(await service.row(username)).to.deep.equal({
      status: 'online',
      session: `session of ${username}`,
    });
  });

  for (const [outcome, path, init] of [
    [404, '/nowhere', {}],
    [500, '/broken', {}],
    [201, '/orders', { method: 'POST' }],
  ] as const) {
    it(`sets them online too where the answer is ${outcome}`, async () => {
      const { ask, isOnline } = await newUser();
      expect((await ask(path, init)).status).to.equal(outcome);
      await eventually(isOnline, { within: 5_000 });
    });
  }

  it('leaves out requests that say they are no person', async () => {
    const { username, ask } = await newUser();
    const somebody = await newUser();
    await ask('/products', { headers: { 'Presence-Mode': 'passive' } });
    await somebody.ask('/products');
    await eventually(somebody.isOnline);
    expect(await service.row(username)).to.include({ status: 'offline' });
  });

  it('lets requests without a login pass, as nobody', async () => {
    expect((await fetch(`${url}/products`)).status).to.equal(401);
  });

  it('answers at once while the broker is away, and tells of it when the broker is back', async function () {
    this.timeout(150_000);
    const { ask, isOnline } = await newUser();
    await broker.kill();
    for (let request = 0; request < 50; request++) {
      const asked = performance.now();
      expect((await ask('/products')).status).to.equal(200);
      expect(performance.now() - asked).to.be.below(AT_ONCE);
    }
    expect(await isOnline()).to.equal(false);
    await broker.restart();
    await eventually(isOnline, { within: 20_000 });
  });

  it('answers at once where the broker has never been there', async () => {
    const { ask } = await newUser();
    const port = await freePort();
    const env = { PORT: `${port}`, JWT_SECRET: service.jwtSecret, AMQP_URL: 'amqp://127.0.0.1:1' };
    const alone = startProcess(APP, { env });
    await alone.waitForOutput(/is open/);
    const asked = performance.now();
    expect((await ask('/products', {}, `http://127.0.0.1:${port}`)).status).to.equal(200);
    expect(performance.now() - asked).to.be.below(AT_ONCE);
    await alone.end('SIGTERM');
  });

  it('still tells what it has recorded when it is stopped', async () => {
    const { ask, isOnline } = await newUser();
    await ask('/products');
    app.signal('SIGTERM');
    expect(await app.exited).to.deep.equal({ code: 0, signal: null });
    await eventually(isOnline);
  });
});

function tokenOf(id: number, username: string, secret: string): string {
  const issuer = new JwtIssuer({
    signing: { algorithm: 'HS256', key: createSecretKey(Buffer.from(secret)) },
    issuer: 'presence',
    audience: 'presence',
    claims: { username: 'username', email: 'email', role: 'role', session: 'sid' },
    adminRole: 'admin',
    accessTokenTtl: 60_000,
  });
  return issuer.issue({ id, username, email: null, role: 'user' }, `session of ${username}`);
}
