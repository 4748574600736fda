import { eventually } from '@presence/test-services';
import { expect } from 'chai';
import { token } from './access-token.js';
import { closeAll, type Running, startWorld } from './running-api.js';
import { World } from './world.js';

const HEARTBEAT = '/api/users/heartbeat/';

describe('a heartbeat', () => {
  let api: Running;
  let ahmad: string;

  beforeEach(async () => {
    api = await startWorld();
    ahmad = token({ user: api.world.add(1) });
  });
  afterEach(closeAll);

  it('is recorded once, and answered with its own effect', async () => {
    const before = Date.now();
    const { status, body } = await api.client.post(HEARTBEAT, { token: ahmad });
    expect(status).to.equal(200);
    expect(body).to.include({
      message: 'Heartbeat recorded',
      online_status: 'online',
      next_heartbeat_in: 30,
    });
    expect(Date.parse(body.last_seen)).to.be.within(before, Date.now());
    expect(api.world.recorded).to.have.length(1);
    expect(api.world.recorded[0]).to.include({
      type: 'heartbeat',
      user: 1,
      status: 'online',
      sessionId: 'a-session',
    });
  });

  it('is stamped no farther ahead than workers take it, whatever the clock says', async () => {
    const world = new World();
    world.skew = 3_600_000;
    const { client } = await startWorld({}, undefined, world);
    const bearer = token({ user: world.add(1), expiresAt: world.now() + 900_000 });
    const plain = await client.post(HEARTBEAT, { token: bearer });
    const away = await client.post(HEARTBEAT, { token: bearer, body: { status: 'away' } });
    await client.get('/api/users/me/', { token: bearer });
    const stamped = world.recorded.map(({ occurredAt }) => occurredAt);
    expect(stamped).to.have.length(3);
    for (const at of stamped) expect(at).to.be.within(Date.now() + 10_000, Date.now() + 14_000);
    expect([plain, away].map(({ body }) => Date.parse(body.last_seen))).to.deep.equal(
      stamped.slice(0, 2),
    );
  });

  it('needs no body, whatever its Content-Type says', async () => {
    for (const type of ['application/json', 'text/plain', 'application/octet-stream']) {
      const headers = { 'content-type': type, 'content-length': '0' };
      const { status } = await api.client.post(HEARTBEAT, { token: ahmad, headers });
      expect(status, type).to.equal(200);
    }
  });

  it('may say that its user is away', async () => {
    const call = { token: ahmad, body: { status: 'away' } };
    expect((await api.client.post(HEARTBEAT, call)).body.online_status).to.equal('away');
    expect(api.world.shown(1).status).to.equal('away');
    expect(api.world.recorded.map(({ type }) => type)).to.deep.equal(['heartbeat']);
  });

  it('of a session that a message has ended is answered offline, as reads say', async () => {
    api.world.endPresence(1, 'a-session');
    await eventually(async () => {
      const { status, body } = await api.client.post(HEARTBEAT, { token: ahmad });
      expect(status).to.equal(200);
      expect(body.online_status).to.equal('offline');
    });
    const me = await api.client.get('/api/users/me/', { token: ahmad });
    expect(me.body).to.include({ online_status: 'offline', is_online: false });
    expect(me.body.last_seen).to.equal(new Date(api.world.shown(1).lastSeen!).toISOString());
    const elsewhere = token({ user: api.world.rows.get(1)!.user, sessionId: 'another' });
    const again = await api.client.post(HEARTBEAT, { token: elsewhere });
    expect(again.body.online_status).to.equal('online');
  });

  it('may not say offline; whoever tries is there all the same', async () => {
    const call = { token: ahmad, body: { status: 'offline' } };
    const { status, body } = await api.client.post(HEARTBEAT, call);
    expect(status).to.equal(400);
    expect(body.errors).to.deep.equal([
      { field: 'status', message: 'must be one of online, away' },
    ]);
    expect(api.world.recorded.map(({ type }) => type)).to.deep.equal(['activity']);
  });

  it('is refused with 503 and Retry-After, quickly, while it cannot be promised', async () => {
    // Not timed: the first request of a server is slow for reasons of its own.
    await api.client.post(HEARTBEAT, { token: ahmad });
    const { finds } = api.world;
    Object.assign(api.world, { accepting: false, databaseSilent: true });
    const since = performance.now();
    const { status, headers } = await api.client.post(HEARTBEAT, { token: ahmad });
    expect(status).to.equal(503);
    expect(headers['retry-after'], 'as long as between any two').to.equal('30');
    expect(performance.now() - since).to.be.below(50);
    expect(api.world.finds, 'nobody is asked').to.equal(finds);
  });

  it('moves nothing when it calls itself passive, and tells how its user is', async () => {
    const passive = { 'presence-mode': 'passive' };
    const { body } = await api.client.post(HEARTBEAT, { token: ahmad, headers: passive });
    expect(body).to.include({ online_status: 'offline', last_seen: null });
    expect(api.world.recorded).to.deep.equal([]);
  });

  it('is kept while broker and database are away, for a user seen before and for one by number', async () => {
    await api.client.post(HEARTBEAT, { token: ahmad });
    api.world.databaseAway = true;
    api.world.brokerAway = true;
    expect((await api.client.post(HEARTBEAT, { token: ahmad })).status).to.equal(200);
    const number = token({ subject: '77', username: 'new' });
    expect((await api.client.post(HEARTBEAT, { token: number })).status).to.equal(200);
    expect(api.world.recorded.at(-1)?.user).to.equal(77);
  });

  it('goes by issuer and subject while nobody can look the number up', async () => {
    api.world.databaseAway = true;
    const foreign = token({ issuer: 'https://idp', subject: 'auth0|1', username: 'zoe' });
    expect((await api.client.post(HEARTBEAT, { token: foreign })).status).to.equal(200);
    expect(api.world.recorded.at(-1)).to.deep.include({
      user: { issuer: 'https://idp', subject: 'auth0|1' },
      username: 'zoe',
    });
  });

  it('does not wait for a database that does not answer', async () => {
    api.world.databaseSilent = true;
    const since = Date.now();
    expect((await api.client.post(HEARTBEAT, { token: ahmad })).status).to.equal(200);
    expect(Date.now() - since).to.be.below(500);
    const again = performance.now();
    expect((await api.client.post(HEARTBEAT, { token: ahmad })).status).to.equal(200);
    expect(performance.now() - again).to.be.below(50);
    expect(api.world.finds, 'the second time not at all').to.equal(1);
  });

  it('is said once more under the number that is found, where that took too long', async () => {
    api.world.databaseSilent = true;
    const number = token({ subject: '77', username: 'seven' });
    const foreign = token({ issuer: 'https://idp', subject: 'auth0|1', username: 'zoe' });
    for (const call of [{ token: number }, { token: foreign }, { token: number }]) {
      expect((await api.client.post(HEARTBEAT, call)).status).to.equal(200);
    }
    const { recorded } = api.world;
    const first = recorded.map(({ user }) => user);
    expect(first).to.deep.equal([77, { issuer: 'https://idp', subject: 'auth0|1' }, 77]);
    api.world.databaseSilent = false;
    await eventually(() => recorded.length === 6);
    const again = recorded.slice(3).toSorted((a, b) => a.occurredAt - b.occurredAt);
    expect(again.map(({ user }) => user)).to.have.members([77, 77, 1_001]);
    expect(again.map(({ occurredAt }) => occurredAt)).to.deep.equal(
      recorded.slice(0, 3).map(({ occurredAt }) => occurredAt),
    );
    for (const id of [77, 1_001]) expect(api.world.shown(id).status).to.equal('online');
  });

  it('is not for services', async () => {
    const service = token({ subject: 'reporting', role: 'service' });
    expect((await api.client.post(HEARTBEAT, { token: service })).status).to.equal(403);
    expect(api.world.recorded).to.deep.equal([]);
  });
});

describe('me', () => {
  let api: Running;
  let ahmad: string;

  beforeEach(async () => {
    api = await startWorld();
    ahmad = token({ user: api.world.add(1, { username: 'ahmad', email: null }) });
  });
  afterEach(closeAll);

  it('shows the user as this very request leaves them', async () => {
    api.world.brokerAway = true;
    const { status, body, headers } = await api.client.get('/api/users/me/', { token: ahmad });
    expect(status).to.equal(200);
    expect(body).to.include({ id: 1, username: 'ahmad', email: null, role: 'user' });
    expect(body).to.include({ online_status: 'online', is_online: true });
    expect(headers['presence-as-of']).to.match(/^\d{4}-.*\.\d{3}Z$/);
  });

  it('shows a user never seen to a passive request, without touching them', async () => {
    const headers = { 'presence-mode': 'passive' };
    const { body } = await api.client.get('/api/users/me/', { token: ahmad, headers });
    expect(body).to.include({ online_status: 'offline', last_seen: null, is_online: false });
  });

  it('is 404 for a user who has been removed since', async () => {
    await api.client.get('/api/users/me/', { token: ahmad });
    api.world.rows.delete(1);
    expect((await api.client.get('/api/users/me/', { token: ahmad })).status).to.equal(404);
  });

  it('is 503 while the database is away', async () => {
    api.world.databaseAway = true;
    expect((await api.client.get('/api/users/me/', { token: ahmad })).status).to.equal(503);
  });

  it('is 403 for a service', async () => {
    const service = token({ subject: 'reporting', role: 'service' });
    expect((await api.client.get('/api/users/me/', { token: service })).status).to.equal(403);
  });
});
