import { RowRefused } from '@presence/domain';
import { eventually } from '@presence/test-services';
import { expect } from 'chai';
import { token } from './access-token.js';
import { converse } from './conversation.js';
import { closeAll, type Running, startWorld } from './running-api.js';

const HEARTBEAT = '/api/users/heartbeat/';
const SET = '/api/users/admin/users/404/set-online-status/';
const ORIGIN = 'https://app.example.com';

describe('checks', () => {
  let api: Running;
  let user: string;
  let admin: string;

  beforeEach(async () => {
    api = await startWorld({ corsOrigins: [ORIGIN] });
    user = token({ user: api.world.add(1) });
    admin = token({ user: api.world.add(2, { role: 'admin' }) });
  });
  afterEach(closeAll);

  const big = JSON.stringify({ status: 'x'.repeat(20_000) });

  it('come in order: bad token, path, method, missing token, role, body, user', async () => {
    const text = { 'content-type': 'text/plain' };
    const expected: [number, string, string, Parameters<Running['client']['post']>[1]][] = [
      [401, 'POST', '/nowhere', { token: 'bad' }],
      [401, 'POST', '/health/live', { token: 'bad' }],
      [404, 'POST', '/nowhere', { body: big }],
      [405, 'PUT', SET, { token: user, body: big }],
      [401, 'POST', SET, { body: big }],
      [403, 'POST', SET, { token: user, body: big }],
      [413, 'POST', SET, { token: admin, body: big, headers: text }],
      [415, 'POST', SET, { token: admin, body: '{"status":', headers: text }],
      [400, 'POST', SET, { token: admin, body: '{"status":' }],
      [400, 'POST', SET, { token: admin, body: { status: 'busy' } }],
      [404, 'POST', SET, { token: admin, body: { status: 'away' } }],
    ];
    for (const [status, method, path, call] of expected) {
      const told = await api.client.send(method, path, call);
      expect(told.status, `${method} ${path} ${told.text}`).to.equal(status);
    }
  });

  it('refuse every token that is not a good Bearer token, with WWW-Authenticate', async () => {
    const old = token({ expiresAt: Date.now() - 1 });
    for (const authorization of [
      'Bearer',
      'Bearer ',
      'Basic YTpi',
      'good',
      `Bearer ${old}`,
      'Bearer a b',
      'Bearer ünï',
    ]) {
      const headers = { authorization: Buffer.from(authorization).toString('latin1') };
      const told = await api.client.get('/api/users/me/', { headers });
      expect(told.status, authorization).to.equal(401);
      expect(told.headers['www-authenticate']).to.equal('Bearer');
    }
  });

  it('take the scheme in any case', async () => {
    const headers = { authorization: `bearer ${user}` };
    expect((await api.client.get('/api/users/me/', { headers })).status).to.equal(200);
  });

  it('answer 503 where no key could ever be fetched', async () => {
    api.world.keysAway = true;
    const told = await api.client.get('/api/users/me/', { token: user });
    expect(told.status).to.equal(503);
    expect(told.headers['retry-after']).to.equal('3');
  });

  it('let nobody read of others while it cannot be known whose token it is', async () => {
    const foreign = token({ issuer: 'elsewhere', subject: 'x', username: 'x', role: 'admin' });
    const service = token({ role: 'service' });
    api.world.databaseAway = true;
    for (const path of ['/api/users/admin/users/online/', '/api/users/management/list/']) {
      expect((await api.client.get(path, { token: foreign })).status, path).to.equal(503);
    }
    expect((await api.client.post(HEARTBEAT, { token: foreign })).status).to.equal(200);
    api.world.databaseAway = false;
    const online = '/api/users/admin/users/online/';
    expect((await api.client.get(online, { token: service })).status).to.equal(200);
    // It is there again, and is not asked for a second who somebody is.
    expect((await api.client.get(online, { token: foreign })).status).to.equal(503);
    await eventually(async () => (await api.client.get(online, { token: foreign })).status === 200);
  });

  it('know every path with and without its trailing slash, and only in its own case', async () => {
    for (const path of Object.keys(api.client.document.paths)) {
      const plain = path.replace(/\{\w+\}/g, '1').replace(/\/$/, '');
      for (const asked of [plain, `${plain}/`]) {
        const { status } = await api.client.send('DELETE', asked);
        expect(status, asked).to.equal(405);
      }
      expect((await api.client.get(plain.toUpperCase())).status, plain).to.equal(404);
    }
  });

  it('name the methods that a path takes in Allow', async () => {
    const told = await api.client.send('DELETE', '/api/users/me/');
    expect(told.headers.allow).to.equal('GET, HEAD');
    expect((await api.client.get(HEARTBEAT)).headers.allow).to.equal('POST');
    expect((await api.client.send('OPTIONS', HEARTBEAT)).status).to.equal(405);
  });

  it('refuse a body without a content type, and accept any JSON type', async () => {
    const asText = (type: string) =>
      api.client.post(HEARTBEAT, {
        token: user,
        body: '{"status":"away"}',
        headers: { 'content-type': type },
      });
    expect((await asText('')).status).to.equal(415);
    expect((await asText('text/plain')).status).to.equal(415);
    expect((await asText('application/json; charset=utf-8')).status).to.equal(200);
    expect((await asText('application/vnd.x+json')).status).to.equal(200);
  });

  it('refuse bodies that are no object, or poison prototypes', async () => {
    for (const body of ['[]', '"x"', 'null', '1', '{"__proto__":{"status":"away"}}', '{', '\0']) {
      const told = await api.client.post(HEARTBEAT, { token: user, body });
      expect(told.status, body).to.equal(400);
    }
  });

  it('refuse compressed bodies', async () => {
    for (const encoding of ['gzip', 'br', 'x-unknown']) {
      const call = { token: user, body: '{}', headers: { 'content-encoding': encoding } };
      expect((await api.client.post(HEARTBEAT, call)).status, encoding).to.equal(415);
    }
  });

  it('count the bytes of a body that does not say its length', async () => {
    const headers = { 'transfer-encoding': 'chunked', 'content-length': [] as string[] };
    const told = await api.client.post(HEARTBEAT, { token: user, body: big, headers });
    expect(told.status).to.equal(413);
    const empty = await api.client.post(HEARTBEAT, { token: user, body: '', headers });
    expect(empty.status).to.equal(200);
  });

  it('take chunks that hold nothing for no body, though nothing says what it would be', async () => {
    const post = `POST ${HEARTBEAT} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer ${user}\r\n`;
    const chunked = `${post}Transfer-Encoding: chunked\r\n`;
    const last = `${chunked}Connection: close\r\n\r\n`;
    const answers = await converse(api, [
      `${chunked}\r\n`,
      '0\r\n\r\n',
      `${chunked}\r\n2\r\n{}\r\n`,
      `0\r\n\r\n${chunked}\r\n`,
      `${(100_000).toString(16)}\r\n${'x'.repeat(100_000)}\r\n0\r\n\r\n`,
      `${last}0\r\n\r\n`,
    ]);
    expect(answers.map(({ status }) => status)).to.deep.equal(['200', '415', '413', '200']);
  });

  it('read the rest of a body that is too large: the next request lies behind it', async () => {
    const chunk = `${(4_096).toString(16)}\r\n${'x'.repeat(4_096)}\r\n`;
    const post = `POST ${HEARTBEAT} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer ${user}\r\n`;
    const chunked = `Content-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n`;
    const next = 'GET /health/live HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n';
    const chunks = [post + chunked, ...Array<string>(50).fill(chunk), `0\r\n\r\n${next}`];
    const answers = await converse(api, chunks);
    expect(answers.map(({ status }) => status)).to.deep.equal(['413', '200']);
  });

  it('say of a user whom the database does not take that it is so', async () => {
    const { client } = await startWorld({}, ({ users }) => ({
      users: { ...users, find: () => Promise.reject(new RowRefused('23505')) },
    }));
    const { status, body } = await client.get('/api/users/me/', { token: user });
    expect(status).to.equal(401);
    expect(body.detail).to.include('the database does not take (23505)');
  });

  it('tell nothing of an error that is ours, and log it', async () => {
    const broken = await startWorld({}, ({ reader }) => ({
      reader: { ...reader, statistics: () => Promise.reject(new Error('secret detail')) },
    }));
    const call = { token: token({ subject: '2', role: 'admin', username: 'x' }) };
    await broken.client.get('/api/users/management/statistics/', call).then(
      () => expect.fail('500 is described nowhere'),
      (error: Error) => {
        expect(error.message).to.include('500').and.not.include('secret detail');
      },
    );
    expect(broken.lines.some((line) => line.includes('secret detail'))).to.equal(true);
  });

  describe('CORS', () => {
    const origin = { origin: ORIGIN };

    it('is allowed to the configured origins, on errors too', async () => {
      for (const call of [{ token: user }, { token: 'bad' }, {}]) {
        const { headers } = await api.client.get('/api/users/me/', { ...call, headers: origin });
        expect(headers['access-control-allow-origin']).to.equal(ORIGIN);
        expect(headers['access-control-expose-headers']).to.equal(
          'Presence-As-Of,Retry-After,WWW-Authenticate',
        );
        expect(headers.vary).to.equal('Origin');
      }
    });

    it('answers preflights with 204, without a token, for two hours', async () => {
      const asked = { 'access-control-request-method': 'POST' };
      const told = await api.client.send('OPTIONS', HEARTBEAT, {
        headers: { ...origin, ...asked },
      });
      expect(told.status).to.equal(204);
      expect(told.headers['access-control-max-age']).to.equal('7200');
      expect(told.headers['access-control-allow-headers']).to.equal(
        'authorization,content-type,presence-mode',
      );
      expect(told.headers['access-control-allow-methods']).to.include('POST');
    });

    it('is not allowed to other origins', async () => {
      const other = { origin: 'https://evil.example.com' };
      const told = await api.client.get('/api/users/me/', { token: user, headers: other });
      expect(told.headers).to.not.have.property('access-control-allow-origin');
      const asked = { ...other, 'access-control-request-method': 'POST' };
      const preflight = await api.client.send('OPTIONS', HEARTBEAT, { headers: asked });
      expect(preflight.status).to.equal(204);
      expect(preflight.headers).to.not.have.property('access-control-allow-origin');
    });

    it('may be open to any origin', async () => {
      const open = await startWorld({ corsOrigins: ['*'] });
      const { headers } = await open.client.get('/health/live', { headers: origin });
      expect(headers['access-control-allow-origin']).to.equal('*');
    });
  });

  describe('the log', () => {
    it('has a line with a request id for each request, and the id is echoed where it is sane', async () => {
      const sane = { 'x-request-id': 'abc-123' };
      const told = await api.client.get('/health/live', { headers: sane });
      expect(told.headers['x-request-id']).to.equal('abc-123');
      const long = { 'x-request-id': 'x'.repeat(65) };
      const other = await api.client.get('/health/live', { headers: long });
      expect(other.headers['x-request-id']).to.match(/^[0-9a-f-]{36}$/);
      const line = JSON.parse(
        api.lines.find((text) => text.includes('abc-123') && text.includes('route')) ?? '{}',
      );
      expect(line).to.include({ route: '/health/live', status: 200, method: 'GET' });
    });

    it('holds no token, no password and no e-mail address', async () => {
      api.world.add(3, { username: 'sara', email: 'sara@example.com', password: 'hunter2' });
      const login = { username: 'sara', password: 'hunter2' };
      const { body } = await api.client.post('/api/users/login/', { body: login });
      await api.client.get('/api/users/management/list/?search=sara@example.com', { token: admin });
      await api.client.post('/api/users/login/', { body: '{"password":"hunter2"' });
      await api.client.post('/api/users/logout/', {
        token: body.access,
        body: { refresh: body.refresh },
      });
      await api.client.get('/nowhere/sara@example.com', { headers: { 'x-request-id': 'a@b.c' } });
      const log = api.lines.join('');
      for (const secret of ['hunter2', body.access, body.refresh, 'sara@', 'a@b.c', admin]) {
        expect(log).to.not.include(secret);
      }
    });
  });
});
