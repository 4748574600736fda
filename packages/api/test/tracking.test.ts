import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { trackPresence } from '@presence/api/middleware';
import type { ReportedEvent } from '@presence/domain';
import { expect } from 'chai';
import Koa from 'koa';
import { token } from './access-token.js';
import { send } from './answers.js';
import { closeAll, type Running, startWorld } from './running-api.js';

describe('every authenticated request is activity', () => {
  let api: Running;
  let ahmad: string;

  beforeEach(async () => {
    api = await startWorld();
    ahmad = token({ user: api.world.add(1) });
  });
  afterEach(closeAll);

  it('whatever its path, method and outcome', async () => {
    const requests: [string, string][] = [
      ['GET', '/api/users/me/'],
      ['GET', '/nowhere'],
      ['DELETE', '/api/users/me/'],
      ['GET', '/api/users/heartbeat/'],
      ['GET', '/api/users/management/list/'],
      ['POST', '/api/users/token/refresh/'],
      ['GET', '/health/live'],
    ];
    for (const [method, path] of requests) await api.client.send(method, path, { token: ahmad });
    expect(api.world.recorded).to.have.length(requests.length);
    for (const event of api.world.recorded) {
      expect(event).to.include({ type: 'activity', user: 1, sessionId: 'a-session' });
    }
  });

  it('except a passive one', async () => {
    const headers = { 'presence-mode': 'Passive' };
    await api.client.get('/api/users/me/', { token: ahmad, headers });
    expect(api.world.recorded).to.deep.equal([]);
  });

  it('except that of a service, which never makes a user', async () => {
    const service = token({ subject: '9', username: 'reporting', role: 'service' });
    await api.client.get('/api/users/admin/users/online/', { token: service });
    expect(api.world.recorded).to.deep.equal([]);
    expect(api.world.rows.has(9)).to.equal(false);
  });

  it('except one whose token is bad, or whose session has ended', async () => {
    await api.client.get('/api/users/me/', { token: 'bad' });
    await api.client.post('/api/users/logout/', { token: ahmad });
    await api.client.get('/api/users/me/', { token: ahmad });
    expect(api.world.recorded).to.deep.equal([]);
  });

  it('also while neither broker nor database is there', async () => {
    await api.client.get('/api/users/me/', { token: ahmad });
    api.world.brokerAway = true;
    api.world.databaseAway = true;
    api.world.accepting = false;
    const { status } = await api.client.get('/health/live', { token: ahmad });
    expect(status).to.equal(200);
    expect(api.world.recorded).to.have.length(2);
  });
});

describe('who a token speaks of', () => {
  let api: Running;

  beforeEach(async () => {
    api = await startWorld();
  });
  afterEach(closeAll);

  it('is asked of the database once a user, not once a request', async () => {
    const user = api.world.add(1);
    for (let i = 0; i < 3; i++) {
      await api.client.get('/health/live', { token: token({ user, sessionId: `${i}` }) });
    }
    expect(api.world.finds).to.equal(1);
  });

  it('is asked once of requests that arrive together', async () => {
    const shown = token({ user: api.world.add(1) });
    await Promise.all(
      Array.from({ length: 20 }, () => api.client.get('/health/live', { token: shown })),
    );
    expect(api.world.finds).to.be.below(20);
  });

  it('is created on first sight, if the token tells a username', async () => {
    const foreign = token({ issuer: 'https://idp', subject: 'auth0|1', username: 'zoe' });
    const { status, body } = await api.client.get('/api/users/me/', { token: foreign });
    expect(status).to.equal(200);
    expect(body.username).to.equal('zoe');
  });

  it('is nobody otherwise: 401', async () => {
    for (const subject of ['auth0|1', '77', '9007199254740993']) {
      const unknown = token({ subject, username: null });
      expect((await api.client.get('/api/users/me/', { token: unknown })).status).to.equal(401);
    }
    expect(api.world.recorded).to.deep.equal([]);
  });
});

describe('the tracking middleware in front of another application', () => {
  const recorded: ReportedEvent[] = [];
  const publisher = { record: (event: ReportedEvent) => void recorded.push(event) };

  beforeEach(() => recorded.splice(0));

  async function answer(app: Koa, headers: Record<string, string> = {}) {
    const server = createServer(app.callback());
    app.silent = true;
    await new Promise<void>((resolve) => server.listen(0, resolve));
    const told = await send((server.address() as AddressInfo).port, 'GET', '/any', { headers });
    await new Promise((resolve) => server.close(resolve));
    return told;
  }

  it('is one line', async () => {
    const app = new Koa();
    app.use(trackPresence({ publisher, user: () => ({ issuer: 'idp', subject: 'x' }) }));
    app.use((ctx) => {
      ctx.body = 'hello';
    });
    expect((await answer(app)).text).to.equal('hello');
    expect(recorded).to.have.length(1);
    expect(recorded[0]).to.deep.include({
      type: 'activity',
      status: 'online',
      user: { issuer: 'idp', subject: 'x' },
      sessionId: '',
    });
  });

  it('may stand before the line that authenticates, and takes the time of arrival', async () => {
    const app = new Koa();
    let clock = 1_000;
    const now = () => clock;
    app.use(trackPresence({ publisher, now, user: (ctx) => ctx.me as number | undefined }));
    app.use((ctx) => {
      clock = 9_000;
      ctx.me = 5;
    });
    await answer(app);
    expect(recorded.map(({ user, occurredAt }) => [user, occurredAt])).to.deep.equal([[5, 1_000]]);
  });

  it('tracks a request that fails, and leaves the failure as it is', async () => {
    const app = new Koa();
    app.use(trackPresence({ publisher, user: () => 5 }));
    app.use((ctx) => ctx.throw(418));
    expect((await answer(app)).status).to.equal(418);
    expect(recorded).to.have.length(1);
  });

  it('fails no request when it cannot tell who it is', async () => {
    const app = new Koa();
    const errors: unknown[] = [];
    const onError = (error: unknown) => void errors.push(error);
    const user = () => {
      throw new Error('no session');
    };
    app.use(trackPresence({ publisher, user, onError }));
    app.use((ctx) => {
      ctx.body = 'hello';
    });
    expect((await answer(app)).status).to.equal(200);
    expect(errors).to.have.length(1);
    expect(recorded).to.deep.equal([]);
  });

  it('tells nobody of a first try that throws, where the second one tells who it is', async () => {
    const app = new Koa();
    const errors: unknown[] = [];
    const onError = (error: unknown) => void errors.push(error);
    app.use(trackPresence({ publisher, user: (ctx) => (ctx.me as { id: number }).id, onError }));
    app.use((ctx) => {
      ctx.me = { id: 5 };
    });
    await answer(app);
    expect(recorded.map(({ user }) => user)).to.deep.equal([5]);
    expect(errors).to.deep.equal([]);
  });

  it('says once why requests are not tracked, where nobody else is told', async () => {
    const warnings: string[] = [];
    const note = ({ name, message }: Error) => warnings.push(`${name}: ${message}`);
    process.on('warning', note);
    const app = new Koa();
    const user = () => {
      throw new Error('no session');
    };
    app.use(trackPresence({ publisher, user }));
    expect((await answer(app)).status).to.equal(404);
    await answer(app);
    process.off('warning', note);
    expect(warnings).to.deep.equal([
      'PresenceWarning: A request is not tracked: Error: no session',
    ]);
  });

  it('leaves nobody and passive requests out', async () => {
    const app = new Koa();
    app.use(trackPresence({ publisher, user: (ctx) => (ctx.get('x-user') === '' ? null : 5) }));
    await answer(app);
    await answer(app, { 'x-user': '5', 'presence-mode': 'passive' });
    expect(recorded).to.deep.equal([]);
  });
});
