import { setTimeout as wait } from 'node:timers/promises';
import { expect } from 'chai';
import type { Child } from '../child.js';
import { eventually } from '../eventually.js';
import { MessageTap } from './message-tap.js';
import { type Api, RunningSystem } from './running-system.js';

/** By hand: SYSTEM_ROUNDS=500 npm test -- test/dist/system/system.test.js */
const ROUNDS = Number(process.env.SYSTEM_ROUNDS ?? 50);
/** By hand: SYSTEM_STANDSTILL=60 */
const STANDSTILL = Number(process.env.SYSTEM_STANDSTILL ?? 4);

const statusPath = (id: number) => `/api/users/admin/users/${id}/online-status/`;
const setPath = (id: number) => `/api/users/admin/users/${id}/set-online-status/`;

describe('Two APIs and two workers on RabbitMQ and PostgreSQL', function () {
  this.timeout(600_000);
  let system: RunningSystem;
  let one: Api;
  let two: Api;
  let ahead: Api;
  let workers: Child[];
  let tap: MessageTap;
  let admin: string;
  let ahmad: { access: string; user: { id: number } };

  before(async () => {
    system = await RunningSystem.start();
    workers = [await system.startWorker(), await system.startWorker()];
    tap = await MessageTap.open(system.amqpUrl);
    await system.addUser('ahmad');
    await system.addUser('admin', '--admin');
    [one, two, ahead] = await Promise.all([
      system.startApi(),
      system.startApi(),
      system.startApi({ ahead: 2_000 }),
    ]);
    admin = (await one.login('admin')).access;
    ahmad = await one.login('ahmad');
  });

  after(async () => {
    await tap.close();
    await system.stop();
  });

  it('carry a user from login over heartbeat to logout, each answer as the contract has it', async () => {
    const session = await one.login('ahmad');
    expect(session).to.have.all.keys('access', 'refresh', 'user');
    expect(session.user).to.include({
      username: 'ahmad',
      online_status: 'online',
      is_online: true,
    });
    const { id } = session.user;
    const heartbeat = await two.post('/api/users/heartbeat/', session.access);
    expect(heartbeat.status).to.equal(200);
    expect(heartbeat.body).to.include({ message: 'Heartbeat recorded', online_status: 'online' });
    expect(heartbeat.body.next_heartbeat_in).to.equal(30);
    await eventually(async () => {
      const { body } = await one.get(statusPath(id), admin);
      expect(body).to.deep.equal({
        user_id: id,
        username: 'ahmad',
        online_status: 'online',
        last_seen: heartbeat.body.last_seen,
        is_online: true,
      });
    });
    const list = await two.get('/api/users/admin/users/online/', admin);
    expect(list.body.online_users.map((user: { id: number }) => user.id)).to.include(id);
    expect(list.headers.get('presence-as-of')).to.match(/^\d{4}-.*Z$/);
    const logout = await two.post('/api/users/logout/', session.access);
    expect(logout.body).to.include({ message: 'Logged out', online_status: 'offline' });
    const { body } = await one.get(statusPath(id), admin);
    expect(body).to.include({ online_status: 'offline', is_online: false });
  });

  it(`show a status that one of them has set in the very next request to the other, ${ROUNDS} times`, async () => {
    const { id } = ahmad.user;
    for (let round = 0; round < ROUNDS; round++) {
      const status = ['online', 'away', 'offline'][round % 3];
      const set = await one.post(setPath(id), admin, { status });
      expect(set.status).to.equal(200);
      const read = await two.get(statusPath(id), admin);
      expect(read.body.online_status).to.equal(status);
      expect(read.body.last_seen).to.equal(set.body.last_seen);
    }
  });

  it('end offline whatever heartbeats are in flight while the user logs out, on an API 2 s ahead too', async () => {
    for (let round = 0; round < ROUNDS; round++) {
      const session = await one.login('ahmad');
      const { id } = session.user;
      const beat = () => ahead.post('/api/users/heartbeat/', session.access).then(() => {});
      const inFlight = [beat(), beat()];
      const logout = await one.post('/api/users/logout/', session.access);
      expect(logout.status).to.equal(200);
      await Promise.all([...inFlight, beat()]);
      if (round % 10 === 0) await refusedWithin(1_000, session.access);
      const read = await two.get(statusPath(id), admin);
      expect(read.body.online_status, `round ${round}`).to.equal('offline');
    }
    await wait(1_500); // Heartbeats promise to be in reads within 1 s: none may turn up.
    const read = await two.get(statusPath(ahmad.user.id), admin);
    expect(read.body.online_status).to.equal('offline');
  });

  async function refusedWithin(milliseconds: number, token: string): Promise<void> {
    const refused = async (api: Api) =>
      expect((await api.get('/api/users/me/', token)).status).to.equal(401);
    await eventually(() => Promise.all([one, two, ahead].map(refused)), { within: milliseconds });
  }

  it('promise a status with 202 while no worker runs; reads and as-of stand still until one does', async () => {
    const { id } = ahmad.user;
    await one.post(setPath(id), admin, { status: 'offline' });
    await Promise.all(workers.map((worker) => worker.end('SIGTERM')));
    const before = await two.get(statusPath(id), admin);
    const set = await one.post(setPath(id), admin, { status: 'away' });
    expect(set.status).to.equal(202);
    expect(set.body.pending).to.equal(true);
    for (let second = 0; second < STANDSTILL; second++) {
      const read = await two.get(statusPath(id), admin);
      expect(read.body).to.deep.equal(before.body);
      expect(read.headers.get('presence-as-of')).to.equal(before.headers.get('presence-as-of'));
      await wait(1_000);
    }
    workers = [await system.startWorker()];
    await eventually(async () => {
      const read = await two.get(statusPath(id), admin);
      expect(read.body.online_status).to.equal('away');
    });
  });

  it('send no message that the contract of messages does not describe', () => {
    expect(tap.seen['presence.events']).to.be.above(10);
    expect(tap.seen['presence.changes']).to.be.above(10);
    expect(tap.faults).to.deep.equal([]);
  });

  it('end within 10 s of SIGTERM', async () => {
    const begun = performance.now();
    const children = [one.process, workers[0]!];
    await Promise.all(children.map((child) => child.end('SIGTERM')));
    expect(performance.now() - begun).to.be.below(10_000);
    for (const child of children) expect((await child.exited).code).to.equal(0);
  });
});
