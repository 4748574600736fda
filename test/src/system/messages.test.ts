import { type ChannelModel, type ConfirmChannel, connect, type GetMessage } from 'amqplib';
import { expect } from 'chai';
import pg from 'pg';
import { eventually } from '../eventually.js';
import { type Api, RunningSystem } from './running-system.js';

interface DeadLetter {
  readonly reason: string;
  readonly occurredAt?: string;
  readonly body: string;
}

describe('Another service that publishes to RabbitMQ', function () {
  this.timeout(120_000);
  let system: RunningSystem;
  let api: Api;
  let admin: string;
  let connection: ChannelModel;
  let channel: ConfirmChannel;
  /** Users that nothing was published about yet. */
  let fresh: number[];

  before(async () => {
    system = await RunningSystem.start();
    await system.startWorker();
    await system.addUser('admin', '--admin');
    for (let n = 0; n < 12; n++) await system.addUser(`user${n}`);
    api = await system.startApi();
    const login = await api.login('admin');
    admin = login.access;
    fresh = Array.from({ length: 12 }, (_, n) => login.user.id + 1 + n);
    connection = await connect(system.amqpUrl);
    channel = await connection.createConfirmChannel();
  });

  after(async () => {
    await connection.close();
    await system.stop();
  });

  async function publish(key: string, body: unknown, options: object = {}): Promise<void> {
    const content =
      typeof body === 'string' ? Buffer.from(body) : Buffer.from(JSON.stringify(body));
    channel.publish('presence.events', `presence.${key}`, content, {
      contentType: 'application/json',
      persistent: true,
      ...options,
    });
    await channel.waitForConfirms();
  }

  async function status(userId: number): Promise<string> {
    const { body } = await api.get(`/api/users/admin/users/${userId}/online-status/`, admin);
    return body.online_status;
  }

  const shows = (userId: number, expected: string) =>
    eventually(async () => expect(await status(userId)).to.equal(expected));

  async function nextDeadLetter(): Promise<DeadLetter> {
    const message = await eventually(() => channel.get('presence.dead', { noAck: true }));
    const { properties, content } = message as GetMessage;
    const { 'x-presence-reason': reason, 'x-presence-occurred-at': occurredAt } =
      properties.headers ?? {};
    return { reason, occurredAt, body: content.toString() };
  }

  it('is heard in reads', async () => {
    const [first, second, third] = fresh.splice(0, 3);
    await publish('heartbeat', { type: 'heartbeat', user_id: first, status: 'away' });
    await publish('batch', [{ type: 'activity', user_id: second }]);
    const occurred_at = new Date().toISOString();
    await publish('status_set', {
      type: 'status_set',
      user_id: third,
      status: 'away',
      occurred_at,
    });
    await shows(first!, 'away');
    await shows(second!, 'online');
    await shows(third!, 'away');
  });

  it('may date an event by its AMQP timestamp, and with any offset and fraction', async () => {
    const [first, second] = fresh.splice(0, 2);
    const seconds = Math.floor(Date.now() / 1_000) - 20;
    await publish('heartbeat', { type: 'heartbeat', user_id: first }, { timestamp: seconds });
    const local = new Date(Date.now() + 5.5 * 3_600_000).toISOString().replace('Z', '99999+05:30');
    await publish('heartbeat', { type: 'heartbeat', user_id: second, occurred_at: local });
    await shows(first!, 'online');
    await shows(second!, 'online');
    const { body } = await api.get(`/api/users/admin/users/${first}/online-status/`, admin);
    expect(body.last_seen).to.equal(new Date(seconds * 1_000).toISOString());
  });

  const user_id = 1;
  const now = () => new Date().toISOString();
  const bad: readonly [reason: string, key: string, body: () => unknown][] = [
    ['invalid_json', 'heartbeat', () => '{"type":'],
    ['too_large', 'heartbeat', () => ({ type: 'heartbeat', user_id, x: 'x'.repeat(262_144) })],
    ['too_many', 'batch', () => Array(1_001).fill({ type: 'heartbeat', user_id })],
    ['invalid_event', 'heartbeat', () => ({ type: 'heartbeat', user_id: 0 })],
    ['invalid_event', 'heartbeat', () => ({ type: 'heartbeat', user_id, status: 'offline' })],
    ['invalid_event', 'heartbeat', () => ({ type: 'heartbeat', user_id, occurred_at: 'now' })],
    ['invalid_event', 'heartbeat', () => ({ type: 'heartbeat', user_id, session_id: 'a\u0000' })],
    ['invalid_event', 'status_set', () => ({ type: 'status_set', user_id, occurred_at: now() })],
    ['invalid_event', 'login', () => ({ type: 'login', user_id })],
    ['invalid_event', 'heartbeat', () => 'null'],
    ['routing_key_mismatch', 'heartbeat', () => ({ type: 'activity', user_id })],
    ['unknown_user', 'heartbeat', () => ({ type: 'heartbeat', user_id: 999_999 })],
    ['unknown_user', 'heartbeat', () => ({ type: 'heartbeat', issuer: 'x', subject: 'y' })],
    [
      'future_timestamp',
      'heartbeat',
      () => ({
        type: 'heartbeat',
        user_id,
        occurred_at: new Date(Date.now() + 60_000).toISOString(),
      }),
    ],
  ];

  for (const [reason, key, body] of bad) {
    const shown = JSON.stringify(body()).slice(0, 60);
    it(`has ${shown} under presence.${key} refused as ${reason}, and the next one heard`, async () => {
      await publish(key, body());
      expect((await nextDeadLetter()).reason).to.equal(reason);
      await publish('heartbeat', { type: 'heartbeat', user_id: fresh[0] });
      await shows(fresh[0]!, 'online');
    });
  }

  it('has the time that its message said kept beside what is refused', async () => {
    const seconds = Math.floor(Date.now() / 1_000) - 3_600;
    const events = [999_998, 999_999].map((id) => ({ type: 'heartbeat', user_id: id }));
    await publish('batch', events, { timestamp: seconds });
    const letters = [await nextDeadLetter(), await nextDeadLetter()];
    const said = new Date(seconds * 1_000).toISOString();
    expect(letters.map(({ occurredAt }) => occurredAt)).to.deep.equal([said, said]);
    await publish('heartbeat', events[0]);
    const { occurredAt } = await nextDeadLetter();
    expect(Date.now() - Date.parse(occurredAt!)).to.be.within(-2_000, 60_000);
  });

  it('loses one event of an array, not the others', async () => {
    const [first, second] = fresh.splice(0, 2);
    const refused = [
      { type: 'heartbeat', user_id: 'one' },
      { type: 'logout', user_id: first, occurred_at: now() },
      { type: 'heartbeat', user_id: 999_999, colour: 'red' },
    ];
    await publish('batch', [
      { type: 'heartbeat', user_id: first },
      ...refused,
      { type: 'heartbeat', user_id: second },
    ]);
    await shows(first!, 'online');
    await shows(second!, 'online');
    const letters = [await nextDeadLetter(), await nextDeadLetter(), await nextDeadLetter()];
    expect(letters.map(({ reason, body }) => [reason, JSON.parse(body)])).to.have.deep.members([
      ['invalid_event', refused[0]],
      ['routing_key_mismatch', refused[1]],
      ['unknown_user', refused[2]],
    ]);
  });

  it('learns the SQLSTATE where the database refuses a row; the rest of its batch commits', async () => {
    const [refused, written] = fresh.splice(0, 2);
    const client = new pg.Client({ connectionString: system.database.url });
    await client.connect();
    await client.query(
      `ALTER TABLE user_presence ADD CHECK (user_id <> ${refused} OR last_seen IS NULL)`,
    );
    await client.end();
    await publish('batch', [
      { type: 'heartbeat', user_id: refused },
      { type: 'heartbeat', user_id: written },
    ]);
    await shows(written!, 'online');
    expect((await nextDeadLetter()).reason).to.equal('database:23514');
    expect(await status(refused!)).to.equal('offline');
  });

  it('hears of changes: once each, with a version that grows by user', async () => {
    const [user] = fresh.splice(0, 1);
    const { queue } = await channel.assertQueue('', { exclusive: true });
    await channel.bindQueue(queue, 'presence.changes', 'presence.*');
    await publish('heartbeat', { type: 'heartbeat', user_id: user });
    await shows(user!, 'online');
    await publish('heartbeat', { type: 'heartbeat', user_id: user, status: 'away' });
    const changes: { user_id: number; version: number; from: string; to: string; id: string }[] =
      [];
    await eventually(async () => {
      const message = await channel.get(queue, { noAck: true });
      if (!message) return false;
      const change = JSON.parse(message.content.toString());
      expect(message.fields.routingKey).to.equal(`presence.${change.to}`);
      expect(message.properties.messageId).to.equal(change.id);
      if (change.user_id === user) changes.push(change);
      return changes.length === 2;
    });
    expect(changes.map(({ from, to }) => [from, to])).to.deep.equal([
      ['offline', 'online'],
      ['online', 'away'],
    ]);
    expect(changes[1]!.version).to.be.above(changes[0]!.version);
  });
});
