import type { ServingSettings } from '@presence/api';
import { expect } from 'chai';
import { token } from './access-token.js';
import { closeAll, type Running, startWorld } from './running-api.js';

const USERS = '/api/users/admin/users';
const LIST = '/api/users/management/list/';
const STATISTICS = '/api/users/management/statistics/';

describe('the rows of admins', () => {
  let api: Running;
  let admin: string;
  let ahmad: string;
  const service = token({ subject: 'reporting', role: 'service', username: null });

  async function start(settings: Partial<ServingSettings> = {}) {
    api = await startWorld(settings);
    ahmad = token({ user: api.world.add(1, { username: 'ahmad' }) });
    admin = token({ user: api.world.add(2, { username: 'admin', role: 'admin' }) });
  }

  function passive(text: string) {
    return { token: text, headers: { 'presence-mode': 'passive' } };
  }

  beforeEach(() => start());
  afterEach(closeAll);

  describe('set-online-status', () => {
    it('answers 200 once it is committed, with what the database says', async () => {
      const call = { token: admin, body: { status: 'away' } };
      const { status, body } = await api.client.post(`${USERS}/1/set-online-status/`, call);
      expect(status).to.equal(200);
      expect(body).to.have.all.keys('message', 'user_id', 'online_status', 'last_seen');
      expect(body).to.include({
        message: 'User online status updated to away',
        user_id: 1,
        online_status: 'away',
      });
      const read = await api.client.get(`${USERS}/1/online-status/`, { token: admin });
      expect(read.body).to.include({ online_status: 'away', last_seen: body.last_seen });
    });

    it('stamps the event later than all that the row knows', async () => {
      const ahead = Date.now() + 10_000;
      api.world.apply({
        type: 'activity',
        userId: 1,
        occurredAt: ahead,
        status: 'online',
        sessionId: '',
      });
      const call = { token: admin, body: { status: 'offline' } };
      const { body } = await api.client.post(`${USERS}/1/set-online-status/`, call);
      expect(Date.parse(body.last_seen)).to.equal(ahead + 1);
    });

    it('answers 202 and pending where it is on the queue and not committed in time', async () => {
      api.world.workersStopped = true;
      const call = { token: admin, body: { status: 'away' } };
      const { status, body } = await api.client.post(`${USERS}/1/set-online-status`, call);
      expect(status).to.equal(202);
      expect(body).to.include({ pending: true, online_status: 'away' });
    });

    it('answers 503 while the broker is away', async () => {
      api.world.brokerAway = true;
      const call = { token: admin, body: { status: 'away' } };
      const { status, headers } = await api.client.post(`${USERS}/1/set-online-status/`, call);
      expect(status).to.equal(503);
      expect(headers['retry-after']).to.equal('2');
    });

    it('is 404 for a user who does not exist, and 400 for what is no id or no status', async () => {
      const set = (id: string, status: unknown) =>
        api.client.post(`${USERS}/${id}/set-online-status/`, { token: admin, body: { status } });
      expect((await set('404', 'away')).status).to.equal(404);
      expect((await set('1', 'busy')).status).to.equal(400);
      for (const id of ['0', '-1', '1.5', '01', 'x', '9007199254740992', '1e3', '%00', '%zz']) {
        expect((await set(id, 'away')).status, id).to.equal(400);
      }
    });

    it('publishes nothing for a user who is no admin, nor for a service', async () => {
      for (const text of [ahmad, service]) {
        const call = { token: text, body: { status: 'offline' } };
        const { status } = await api.client.post(`${USERS}/2/set-online-status/`, call);
        expect(status).to.equal(403);
      }
      expect(api.world.submitted).to.deep.equal([]);
    });
  });

  it("tells a user's status", async () => {
    const { status, body, headers } = await api.client.get(
      `${USERS}/1/online-status/`,
      passive(admin),
    );
    expect(status).to.equal(200);
    expect(body).to.deep.equal({
      user_id: 1,
      username: 'ahmad',
      online_status: 'offline',
      last_seen: null,
      is_online: false,
    });
    expect(headers).to.have.property('presence-as-of');
    expect((await api.client.get(`${USERS}/9/online-status/`, { token: admin })).status).to.equal(
      404,
    );
  });

  it('tells the statuses of many, each once in the order asked for, and who is not known', async () => {
    const body = { user_ids: [7, 2, 1, 2, 8] };
    const path = `${USERS}/online-status/query/`;
    const { body: told } = await api.client.post(path, { token: admin, body });
    expect(told.statuses.map((s: { user_id: number }) => s.user_id)).to.deep.equal([2, 1]);
    expect(told.unknown).to.deep.equal([7, 8]);
    for (const user_ids of [[], Array(501).fill(1), ['1'], [0], [1.5], 1, [2 ** 53]]) {
      const refused = await api.client.post(path, { token: admin, body: { user_ids } });
      expect(refused.status, JSON.stringify(user_ids).slice(0, 40)).to.equal(400);
    }
    const field = (await api.client.post(path, { token: admin, body: { user_ids: [1, 'x'] } })).body
      .errors[0].field;
    expect(field).to.equal('user_ids.1');
  });

  it('lists who is online, by page and by key', async () => {
    for (let id = 10; id < 15; id++) {
      api.world.add(id);
      const occurredAt = Date.now();
      api.world.apply({
        type: 'activity',
        userId: id,
        occurredAt,
        status: 'online',
        sessionId: '',
      });
    }
    const online = async (query: string) =>
      (await api.client.get(`${USERS}/online/${query}`, passive(admin))).body;
    const first = await online('?per_page=2');
    expect(first.online_count).to.equal(5);
    expect(first.online_users).to.have.length(2);
    expect(first.online_users[0]).to.have.keys(
      'id username email role online_status last_seen is_online'.split(' '),
    );
    expect(first.pagination).to.deep.equal({
      page: 1,
      per_page: 2,
      total_pages: 3,
      total_count: 5,
      has_next: true,
      has_previous: false,
      next_cursor: '2',
    });
    const past = await online('?page=9&per_page=2');
    expect(past.online_users).to.deep.equal([]);
    expect(past.pagination).to.include({ total_pages: 3, has_next: false, has_previous: true });
    const byKey = await online('?cursor=4&per_page=2');
    expect(byKey.pagination).to.include({ page: null, total_pages: null, next_cursor: null });
    expect((await online('?cursor=&per_page=2')).online_users).to.have.length(2);
  });

  it('has no pages where nobody is online', async () => {
    const { body } = await api.client.get(`${USERS}/online/`, passive(admin));
    expect(body.pagination).to.include({ page: 1, per_page: 50, total_pages: 0, total_count: 0 });
  });

  it('refuses pages that cannot be', async () => {
    for (const query of [
      'page=0',
      'page=-1',
      'page=x',
      'page=1.5',
      'page=1&page=2',
      'per_page=0',
      'per_page=101',
      'page=1&cursor=',
      'page=99999999999999999',
    ]) {
      const { status } = await api.client.get(`${USERS}/online/?${query}`, { token: admin });
      expect(status, query).to.equal(400);
    }
  });

  it('lists users by status and text; an empty filter is none', async () => {
    const list = async (query: string) =>
      (await api.client.get(`${LIST}${query}`, passive(admin))).body.users;
    expect(await list('?online_status=&search=&page=&per_page=')).to.have.length(2);
    expect(await list('?search=ahm')).to.have.length(1);
    expect(await list('?online_status=online')).to.have.length(0);
    const bad = await api.client.get(`${LIST}?online_status=busy`, passive(admin));
    expect(bad.status).to.equal(400);
    const nul = await api.client.get(`${LIST}?search=%00`, passive(admin));
    expect(nul.status).to.equal(400);
  });

  it('counts, with a ratio of at most two decimals', async () => {
    api.world.add(3);
    await api.client.get('/api/users/me/', { token: ahmad });
    const { body } = await api.client.get(STATISTICS, passive(admin));
    expect(body).to.deep.equal({
      total_users: 3,
      online_users: 1,
      away_users: 0,
      offline_users: 2,
      online_ratio: 33.33,
    });
    api.world.rows.clear();
    expect((await api.client.get(STATISTICS, passive(service))).status).to.equal(403);
    const none = await api.client.get(
      STATISTICS,
      passive(token({ subject: '2', role: 'admin', username: 'a' })),
    );
    expect(none.body.total_users).to.be.below(2);
  });

  describe('are opened by PRESENCE_ADMIN_ACCESS', () => {
    const get = (path: string, text: string) => api.client.get(path, { token: text });

    it('admin: to admins, and to services where they only read', async () => {
      expect((await get(`${USERS}/online/`, ahmad)).status).to.equal(403);
      expect((await get(`${USERS}/online/`, service)).status).to.equal(200);
      expect((await get(LIST, service)).status).to.equal(403);
    });

    it('read: the rows of readers to everybody, without e-mail address and role', async () => {
      await start({ adminAccess: 'read' });
      const read = await get(`${USERS}/online/`, ahmad);
      expect(read.body.online_users[0]).to.have.keys(
        'id username online_status last_seen is_online'.split(' '),
      );
      const whole = await get(`${USERS}/online/`, admin);
      expect(whole.body.online_users[0]).to.include.keys('email', 'role');
      expect((await get(LIST, ahmad)).status).to.equal(403);
    });

    it('authenticated: every row to everybody, with a warning at the start', async () => {
      await start({ adminAccess: 'authenticated' });
      expect((await get(LIST, ahmad)).status).to.equal(200);
      const call = { token: ahmad, body: { status: 'away' } };
      const set = await api.client.post(`${USERS}/2/set-online-status/`, call);
      expect(set.status).to.equal(200);
      expect(api.lines.some((line) => line.includes('PRESENCE_ADMIN_ACCESS'))).to.equal(true);
    });
  });
});
