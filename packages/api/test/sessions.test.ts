import { setTimeout as delay } from 'node:timers/promises';
import type { SessionStore } from '@presence/domain';
import { eventually } from '@presence/test-services';
import { expect } from 'chai';
import { OWN_ISSUER, token } from './access-token.js';
import { closeAll, type Running, startWorld } from './running-api.js';
import { World } from './world.js';

const LOGIN = '/api/users/login/';
const REFRESH = '/api/users/token/refresh/';
const LOGOUT = '/api/users/logout/';

/** A database that takes its time to say which sessions have ended. */
function slow(sessions: SessionStore): SessionStore {
  return {
    ...sessions,
    endedSince: async (cursor) => {
      await delay(200);
      return sessions.endedSince(cursor);
    },
  };
}

describe('login', () => {
  let api: Running;
  const credentials = { username: 'ahmad', password: 'ahmad-demo' };

  beforeEach(async () => {
    api = await startWorld();
    api.world.add(1, credentials);
  });
  afterEach(closeAll);

  it('opens a session and shows the user online', async () => {
    const { status, body } = await api.client.post(LOGIN, { body: credentials });
    expect(status).to.equal(200);
    expect(body).to.have.all.keys('access', 'refresh', 'user');
    expect(body.user).to.include({ id: 1, username: 'ahmad', online_status: 'online' });
    expect(body.refresh).to.match(/^[\w-]{43}$/);
    const me = await api.client.get('/api/users/me/', { token: body.access });
    expect(me.body).to.include({ id: 1, is_online: true });
  });

  it('is no farther ahead than an event may be, whatever the clock says, nor is the logout', async () => {
    api.world.skew = 3_600_000;
    const { body } = await api.client.post(LOGIN, { body: credentials });
    expect(Date.parse(body.user.last_seen)).to.be.within(Date.now(), Date.now() + 15_000);
    const bearer = token({ expiresAt: api.world.now() + 900_000 });
    const { body: left } = await api.client.post(LOGOUT, { token: bearer });
    expect(Date.parse(left.last_seen)).to.be.within(Date.now(), Date.now() + 15_000);
  });

  it('says pending where reads do not show it yet', async () => {
    api.world.rowsLocked = true;
    const { body } = await api.client.post(LOGIN, { body: credentials });
    expect(body.pending).to.equal(true);
    expect(body.user.online_status).to.equal('online');
  });

  it('answers an unknown user and a wrong password alike', async () => {
    const wrong = await api.client.post(LOGIN, { body: { ...credentials, password: 'no' } });
    const unknown = await api.client.post(LOGIN, { body: { username: 'nobody', password: 'no' } });
    expect(wrong.status).to.equal(401);
    expect(wrong.headers['www-authenticate']).to.equal('Bearer');
    expect(unknown.text).to.equal(wrong.text);
    expect(api.world.failures).to.deep.equal(['ahmad 127.0.0.1', 'nobody 127.0.0.1']);
  });

  it('says what is wrong where a user was added under another first issuer', async () => {
    api.world.issuerOfUsers = 'https://before.example.com/';
    const { status, body } = await api.client.post(LOGIN, { body: credentials });
    expect(status).to.equal(403);
    expect(body.detail).to.include('JWT_ISSUER began with "https://before.example.com/"');
    const wrong = await api.client.post(LOGIN, { body: { ...credentials, password: 'no' } });
    expect(wrong.status).to.equal(401);
  });

  it('asks the hasher for an unknown user too, so that both take as long', async () => {
    const asked: (string | null)[] = [];
    const { client } = await startWorld({}, ({ hasher }) => ({
      hasher: {
        ...hasher,
        verify: async (hash) => {
          asked.push(hash);
          return false;
        },
      },
    }));
    await client.post(LOGIN, { body: { username: 'nobody', password: 'no' } });
    expect(asked).to.deep.equal([null]);
  });

  it('answers 429 with Retry-After after too many failures, even to the right password', async () => {
    api.world.blockedFor = 61_500;
    const { status, headers } = await api.client.post(LOGIN, { body: credentials });
    expect(status).to.equal(429);
    expect(headers['retry-after']).to.equal('62');
  });

  it('spends no time on the password of whoever has to wait', async () => {
    const { client, world } = await startWorld({}, ({ hasher }) => ({
      hasher: { ...hasher, verify: () => Promise.reject(new Error('The hasher was asked.')) },
    }));
    world.blockedFor = 1_000;
    expect((await client.post(LOGIN, { body: credentials })).status).to.equal(429);
  });

  it('gives guesses sent all at once no more tries than guesses one after the other', async () => {
    const { client, world } = await startWorld({}, ({ hasher }) => ({
      hasher: {
        ...hasher,
        verify: async () => {
          world.blockedFor = 1_000;
          return true;
        },
      },
    }));
    world.add(1, credentials);
    expect((await client.post(LOGIN, { body: credentials })).status).to.equal(429);
  });

  it('spends nothing on a login where too many are under way, and ends each whatever comes of it', async () => {
    let hashed = 0;
    let release = () => {};
    const released = new Promise<void>((resolve) => {
      release = resolve;
    });
    const { client, world } = await startWorld({}, ({ hasher }) => ({
      hasher: {
        ...hasher,
        verify: async () => {
          hashed++;
          await released;
          return false;
        },
      },
    }));
    const login = () => client.post(LOGIN, { body: credentials });
    const first = [login(), login()];
    await eventually(() => hashed === 2);
    const { status, headers } = await login();
    expect(status).to.equal(429);
    expect(headers['retry-after']).to.equal('1');
    expect(hashed).to.equal(2);
    release();
    for (const { status } of await Promise.all(first)) expect(status).to.equal(401);
    expect(world.loginsUnderWay).to.equal(0);
  });

  it('names the fields that are missing or wrong', async () => {
    const { status, body } = await api.client.post(LOGIN, { body: { username: 7 } });
    expect(status).to.equal(400);
    const fields = body.errors.map(({ field }: { field: string }) => field);
    expect(fields).to.have.members(['username', 'password']);
  });

  it('takes the client address from X-Forwarded-For only behind the proxies it is told of', async () => {
    const forwarded = { 'x-forwarded-for': '6.6.6.6, 10.0.0.9' };
    const bad = { body: { username: 'a', password: 'b' }, headers: forwarded };
    await api.client.post(LOGIN, bad);
    const proxied = await startWorld({ trustedProxies: 1 });
    await proxied.client.post(LOGIN, bad);
    expect(api.world.failures).to.deep.equal(['a 127.0.0.1']);
    expect(proxied.world.failures).to.deep.equal(['a 10.0.0.9']);
  });

  it('is 503 while the database is away, and does not need the broker', async () => {
    api.world.brokerAway = true;
    expect((await api.client.post(LOGIN, { body: credentials })).status).to.equal(200);
    api.world.databaseAway = true;
    const { status, headers } = await api.client.post(LOGIN, { body: credentials });
    expect(status).to.equal(503);
    expect(headers['retry-after']).to.equal('1');
  });

  it('is 404, as refresh is, without a key to sign with', async () => {
    const { client } = await startWorld({}, () => ({ issuer: null }));
    expect((await client.post(LOGIN, { body: credentials })).status).to.equal(404);
    expect((await client.post(REFRESH, { body: { refresh: 'x' } })).status).to.equal(404);
    expect(client.document.paths).to.not.have.any.keys(LOGIN, REFRESH);
  });
});

describe('refresh', () => {
  let api: Running;
  let pair: { access: string; refresh: string };

  beforeEach(async () => {
    api = await startWorld();
    api.world.add(1, { username: 'ahmad', password: 'secret' });
    const body = { username: 'ahmad', password: 'secret' };
    pair = (await api.client.post(LOGIN, { body })).body;
  });
  afterEach(closeAll);

  it('trades the token for a fresh pair of the same session, and is no activity', async () => {
    const { status, body } = await api.client.post(REFRESH, { body: { refresh: pair.refresh } });
    expect(status).to.equal(200);
    expect(body).to.have.all.keys('access', 'refresh');
    expect(body.refresh).to.not.equal(pair.refresh);
    expect(api.world.recorded).to.deep.equal([]);
  });

  it('ends the whole session when a spent token is used again, here at once', async () => {
    await api.client.post(REFRESH, { body: { refresh: pair.refresh } });
    const reused = await api.client.post(REFRESH, { body: { refresh: pair.refresh } });
    expect(reused.status).to.equal(401);
    const me = await api.client.get('/api/users/me/', { token: pair.access });
    expect(me.status).to.equal(401);
  });

  it('does not spend the token of a user who belongs to another first issuer for now', async () => {
    const refresh = () => api.client.post(REFRESH, { body: { refresh: pair.refresh } });
    api.world.issuerOfUsers = 'https://before.example.com/';
    expect((await refresh()).status).to.equal(401);
    api.world.issuerOfUsers = OWN_ISSUER;
    expect((await refresh()).status).to.equal(200);
  });

  it('happens at a time that other APIs can be held against, whatever the clock says', async () => {
    const world = new World();
    world.skew = 12_000;
    const { client } = await startWorld({}, undefined, world);
    world.add(1, { username: 'ahmad', password: 'secret' });
    const { body } = await client.post(LOGIN, {
      body: { username: 'ahmad', password: 'secret' },
    });
    const before = Date.now();
    await client.post(REFRESH, { body: { refresh: body.refresh } });
    expect(world.rotations).to.have.length(1);
    expect(world.rotations[0]).to.be.within(before - 1_000, Date.now() + 1_000);
  });

  it('answers 401 to a token that was never issued', async () => {
    const { status } = await api.client.post(REFRESH, { body: { refresh: 'no-such-token' } });
    expect(status).to.equal(401);
  });
});

describe('logout', () => {
  let api: Running;
  let pair: { access: string; refresh: string };

  beforeEach(async () => {
    api = await startWorld();
    for (const [id, username] of [
      [1, 'ahmad'],
      [2, 'sara'],
    ] as const) {
      api.world.add(id, { username, password: 'secret' });
    }
    pair = await login('ahmad');
  });
  afterEach(closeAll);

  async function login(username: string) {
    return (await api.client.post(LOGIN, { body: { username, password: 'secret' } })).body;
  }

  it('ends the session and shows the user offline', async () => {
    const { status, body } = await api.client.post(LOGOUT, { token: pair.access });
    expect(status).to.equal(200);
    expect(body).to.include({ message: 'Logged out', online_status: 'offline' });
    expect(body).to.have.all.keys('message', 'online_status', 'last_seen');
    expect(api.world.shown(1).status).to.equal('offline');
    expect(api.world.recorded, 'a logout is no activity').to.deep.equal([]);
  });

  it('takes a refresh token that is null for none', async () => {
    const call = { token: pair.access, body: { refresh: null } };
    expect((await api.client.post(LOGOUT, call)).status).to.equal(200);
    expect(api.world.shown(1).status).to.equal('offline');
  });

  it('refuses the tokens of the session at once here, and elsewhere within a second', async () => {
    const elsewhere = await startWorld({}, undefined, api.world);
    await api.client.post(LOGOUT, { token: pair.access });
    expect((await api.client.get('/api/users/me/', { token: pair.access })).status).to.equal(401);
    const since = Date.now();
    await eventually(async () => {
      const { status } = await elsewhere.client.get('/api/users/me/', { token: pair.access });
      return status === 401;
    });
    expect(Date.now() - since).to.be.below(1_000);
  });

  it('takes JSON that calls itself text/plain, as the snippet of the documents sends it', async () => {
    const call = { token: pair.access, body: JSON.stringify({ refresh: pair.refresh }) };
    const headers = { 'content-type': 'text/plain;charset=UTF-8' };
    expect((await api.client.post(LOGOUT, { ...call, headers })).status).to.equal(200);
  });

  it('refuses a refresh token of somebody else, and ends nothing', async () => {
    const other = await login('sara');
    const body = { refresh: other.refresh };
    const { status, body: problem } = await api.client.post(LOGOUT, { token: pair.access, body });
    expect(status).to.equal(400);
    expect(problem.errors[0].field).to.equal('refresh');
    expect(api.world.endedSessions).to.deep.equal([]);
  });

  it('lets a refresh token pass that another issuer has given out', async () => {
    const call = { token: pair.access, body: { refresh: 'of-keycloak' } };
    expect((await api.client.post(LOGOUT, call)).status).to.equal(200);
  });

  it('ends the session of a refresh token of the same user along with the own one', async () => {
    const second = await login('ahmad');
    await api.client.post(LOGOUT, { token: pair.access, body: { refresh: second.refresh } });
    expect(api.world.endedSessions.map(({ userId }) => userId)).to.deep.equal([1, 1]);
    const me = await api.client.get('/api/users/me/', { token: second.access });
    expect(me.status).to.equal(401);
  });

  it('holds from the first request on at an API that starts later, be its database slow', async () => {
    await api.client.post(LOGOUT, { token: pair.access });
    const later = await startWorld({}, ({ sessions }) => ({ sessions: slow(sessions) }), api.world);
    const { status } = await later.client.get('/api/users/me/', { token: pair.access });
    expect(status).to.equal(401);
  });

  it('says pending, and offline, where reads do not show it yet', async () => {
    api.world.rowsLocked = true;
    const { body } = await api.client.post(LOGOUT, { token: pair.access });
    expect(body).to.include({ pending: true, online_status: 'offline' });
  });

  it('does not need the broker, but the database', async () => {
    api.world.brokerAway = true;
    api.world.databaseAway = true;
    const foreign = token({ issuer: 'other', subject: 'x', username: 'x' });
    expect((await api.client.post(LOGOUT, { token: foreign })).status).to.equal(503);
    expect((await api.client.post(LOGOUT, { token: pair.access })).status).to.equal(503);
    api.world.databaseAway = false;
    expect((await api.client.post(LOGOUT, { token: pair.access })).status).to.equal(200);
  });
});
