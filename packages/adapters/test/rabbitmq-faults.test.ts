import { once } from 'node:events';
import { type AddressInfo, createServer } from 'node:net';
import { setTimeout as wait } from 'node:timers/promises';
import { RabbitmqBroker } from '@presence/adapters/rabbitmq';
import { type EventPublisher, type EventSource, Unavailable } from '@presence/domain';
import { eventually, nestedHeaders, publishRaw, services } from '@presence/test-services';
import { expect } from 'chai';
import { BrokerConnection } from '../dist/rabbitmq/broker-connection.js';
import { ChangedConfirms } from './changed-confirms.js';
import { collector, expectNoGap, heartbeat, statusSet } from './queue-contract.js';
import { Operator } from './rabbitmq-queue.js';
import { TcpProxy } from './tcp-proxy.js';

const SETTLED = { kind: 'settled', refusals: [], reply: null } as const;

describe('RabbitMQ, when things break', () => {
  let operator: Operator;
  let proxy: TcpProxy;
  let broker: RabbitmqBroker;
  let way: string;
  let lost: string[];
  let direct: RabbitmqBroker;
  const open: { close(timeout: number): Promise<void> }[] = [];

  beforeEach(async () => {
    operator = await Operator.connect();
    await operator.clear();
    const url = new URL((await services()).amqpUrl);
    proxy = await TcpProxy.to(Number(url.port || 5672), url.hostname);
    direct = new RabbitmqBroker({ urls: [url.href], name: 'direct' });
    url.host = `127.0.0.1:${proxy.port}`;
    way = url.href;
    lost = [];
    broker = new RabbitmqBroker({
      urls: [way],
      heartbeat: 1,
      metrics: { lost: (_, error) => lost.push(error.message) },
    });
  });

  afterEach(async () => {
    await Promise.all(open.splice(0).map((each) => each.close(500)));
    await Promise.all([broker.close(), direct.close()]);
    await proxy.close();
    await operator.clear();
    await operator.close();
  });

  function publisher(): EventPublisher {
    const created = broker.publisher();
    open.push(created);
    return created;
  }

  async function consume(from = direct) {
    const source: EventSource = from.source({ maxClockSkew: 15_000 });
    open.push(source);
    const taken = collector();
    await source.start(taken.handle);
    from.start();
    return taken;
  }

  async function ready(...which: RabbitmqBroker[]): Promise<void> {
    for (const each of which) each.start();
    await eventually(() => which.every(({ connected }) => connected));
  }

  it('does not give a connection up for one before it that was never set up', async () => {
    let lives = 0;
    const metrics = { lost: (_: string, error: Error) => lost.push(error.message) };
    const connection = new BrokerConnection({
      ...{ name: 'slow', urls: [way], setupTimeout: 1_000, metrics },
    });
    // As of a channel that is closed while the connection is lost: nobody ever answers that.
    const up = () => (++lives === 1 ? new Promise<void>(() => {}) : Promise.resolve());
    connection.join({ up, down: () => {} });
    connection.start();
    await eventually(() => lives === 1);
    proxy.cut();
    await eventually(() => connection.ready);
    await wait(1_200); // What is not to happen, nothing tells of.
    expect(connection.ready).to.equal(true);
    expect(lost).to.have.lengthOf(1);
    await connection.close();
  });

  it('waits for a broker that is away at the start', async () => {
    proxy.shut();
    const events = publisher();
    broker.start();
    await eventually(() => lost.length > 1);
    expect(events.connected).to.equal(false);
    proxy.reopen();
    await eventually(() => events.connected);
  });

  it('says within 50 ms that a submitted event cannot go out while the broker is away', async () => {
    const events = publisher();
    const began = performance.now();
    const error = events.submit(statusSet(1), 2_000).catch((reason: unknown) => reason);
    const anyWait = new Promise((resolve) => setImmediate(resolve));
    expect(await Promise.race([error, anyWait])).to.be.instanceOf(Unavailable);
    expect(performance.now() - began).to.be.below(50);
  });

  it('keeps what is recorded while the broker is away, one event a user, and sends it then', async () => {
    const events = publisher();
    const taken = await consume();
    await ready(broker, direct);
    proxy.shut();
    await eventually(() => !events.connected);
    for (let at = 0; at < 3_000; at++) events.record(heartbeat((at % 3) + 1, 1_000 + at));
    expect(events.accepting).to.equal(true);
    proxy.reopen();
    await eventually(() => taken.events.length > 0);
    const expected = [heartbeat(1, 3_997), heartbeat(2, 3_998), heartbeat(3, 3_999)];
    expect(taken.events).to.have.deep.members(expected);
    expectNoGap(taken.progress);
  });

  it('sends again what was not confirmed when the connection broke, and leaves no gap', async () => {
    const events = publisher();
    const taken = await consume();
    await ready(broker, direct);
    for (let round = 1; round <= 5; round++) {
      for (let user = 1; user <= 500; user++) events.record(heartbeat(round * 1_000 + user));
      if (round % 2 === 0) proxy.swallow(false);
      await new Promise((resolve) => setTimeout(resolve, 15));
      proxy.cut();
      proxy.reopen();
    }
    await eventually(() => new Set(taken.events.map(({ user }) => user)).size === 2_500);
    await events.close(5_000);
    await eventually(() => taken.progress.some(({ last }) => last));
    expectNoGap(taken.progress);
    expect(new Set(taken.progress.map((each) => each.publisher))).to.have.length(1);
  });

  it('notices a black hole by its heartbeats, and connects again', async () => {
    const events = publisher();
    const taken = await consume();
    await ready(broker, direct);
    proxy.swallow(true);
    const began = performance.now();
    events.record(heartbeat(1));
    await eventually(() => !events.connected);
    expect(performance.now() - began).to.be.below(2_500);
    expect(lost.at(-1)).to.contain('said nothing for two heartbeats');
    proxy.reopen();
    await eventually(() => taken.events.length > 0);
  });

  it('sends again, on a new connection, what a broker that lives never confirms', async () => {
    proxy.through = () => new ChangedConfirms('nothing');
    const confirmed: number[] = [];
    const impatient = new RabbitmqBroker({
      urls: [way],
      confirmTimeout: 500,
      metrics: { lost: (_, error) => lost.push(error.message) },
    });
    const events = impatient.publisher({
      metrics: { confirmed: (count) => count > 0 && confirmed.push(count) },
    });
    await ready(impatient);
    events.record(heartbeat(1));
    await eventually(() => lost.some((reason) => reason.includes('not confirmed for 500 ms')));
    expect(confirmed).to.deep.equal([]);
    proxy.through = undefined;
    await eventually(() => confirmed.length > 0);
    expect(confirmed).to.deep.equal([1]);
    await events.close(1_000);
    await impatient.close();
  });

  it('connects anew where a broker refuses everything, and not for a single refusal', async () => {
    const events = publisher();
    // Before any refusal: the publisher tells of itself as soon as it is connected.
    const began = performance.now();
    proxy.through = () => new ChangedConfirms('refusals');
    await ready(broker);
    events.record(heartbeat(1));
    await eventually(() => lost.some((reason) => reason.includes('refused every message')));
    expect(performance.now() - began).to.be.at.least(1_000);
    proxy.through = undefined;
    const taken = await consume();
    await eventually(() => taken.events.length > 0);
  });

  it('throws at the timeout where a black hole swallows a submitted event', async () => {
    const events = publisher();
    await ready(broker);
    proxy.swallow(true);
    const error = await events.submit(statusSet(1), 300).catch((reason: unknown) => reason);
    expect(error).to.be.instanceOf(Unavailable);
  });

  it('answers pending where the broker has confirmed and nobody replies', async () => {
    const events = publisher();
    await ready(broker);
    expect(await events.submit(statusSet(1), 300)).to.deep.equal({ outcome: 'pending' });
  });

  it('answers pending at once where the connection breaks after the confirmation', async () => {
    const events = publisher();
    await ready(broker);
    const outcome = events.submit(statusSet(1), 15_000);
    await eventually(async () => {
      return (await operator.channel.checkQueue('presence.writer')).messageCount > 0;
    });
    // The confirmation follows the message onto the disk.
    await new Promise((resolve) => setTimeout(resolve, 200));
    proxy.cut();
    expect(await outcome).to.deep.equal({ outcome: 'pending' });
  });

  it('drops an acknowledgement whose channel is gone; the message comes again', async () => {
    const source = broker.source({ maxClockSkew: 15_000 });
    open.push(source);
    const settle: (() => void)[] = [];
    await source.start(() => new Promise((resolve) => settle.push(() => resolve(SETTLED))));
    await ready(broker);
    publishHeartbeat();
    await eventually(() => settle.length === 1);
    proxy.cut();
    await eventually(() => settle.length === 2);
    const before = lost.length;
    settle[0]!();
    settle[1]!();
    await source.close(1_000);
    expect(lost.slice(before)).to.deep.equal([]);
    expect(await operator.drain('presence.writer')).to.deep.equal([]);
  });

  for (const [kind, headers] of [
    ['tables 8,000 deep', nestedHeaders('table', 8_000)],
    ['arrays 12,000 deep', nestedHeaders('array', 12_000)],
    ['an unsigned 64-bit integer', Buffer.from('\x01xL\xff\xff\xff\xff\xff\xff\xff\xff', 'latin1')],
  ] as const) {
    it(`reads a message whose headers are ${kind}`, async () => {
      const taken = await consume(broker);
      await eventually(() => broker.connected);
      const body = Buffer.from('{"type":"heartbeat","user_id":7,"status":"online"}');
      const message = { exchange: 'presence.events', routingKey: 'presence.heartbeat', body };
      await publishRaw(way, { ...message, headers });
      await eventually(() => taken.events.length > 0);
      expect(taken.events[0]).to.include({ user: 7 });
      expect(lost).to.deep.equal([]);
    });
  }

  it('declares again a queue that is deleted while it consumes, and goes on', async () => {
    const events = publisher();
    const taken = await consume(broker);
    await ready(broker);
    await operator.channel.deleteQueue('presence.writer');
    await eventually(() => lost.length > 0);
    events.record(heartbeat(1));
    await eventually(() => taken.events.length > 0);
  });

  it('does not count a message as sent that no queue takes, and declares the queue again', async () => {
    const events = publisher();
    await ready(broker);
    await operator.channel.deleteQueue('presence.writer');
    const error = await events.submit(statusSet(1), 2_000).catch((reason: unknown) => reason);
    expect(error).to.be.instanceOf(Unavailable);
    events.record(heartbeat(2));
    const taken = await consume();
    await eventually(() => taken.events.some(({ user }) => user === 2));
    // What the old queue held is gone, so the publisher begins a new count.
    await eventually(() => taken.progress.length > 1);
    expectNoGap(taken.progress);
    expect(taken.progress[0]?.from).to.equal(taken.progress[0]?.since);
  });

  it('declares again an exchange that is deleted, and sends what it had refused', async () => {
    const events = publisher();
    const taken = await consume();
    await ready(broker, direct);
    await operator.channel.deleteExchange('presence.events');
    events.record(heartbeat(1));
    await eventually(() => taken.events.length > 0);
    expect(lost[0]).to.contain('404 (NOT-FOUND)');
  });

  it('tries the members of a cluster in turn', async () => {
    const { amqpUrl } = await services();
    const dead = 'amqp://guest:guest@127.0.0.1:1/';
    const cluster = new RabbitmqBroker({ urls: [dead, amqpUrl] });
    const events = cluster.publisher();
    await ready(cluster);
    expect(events.connected).to.equal(true);
    await events.close(1_000);
    await cluster.close();
  });

  it('goes on to the next member where one takes a connection and says nothing', async function () {
    this.timeout(20_000);
    const mute = createServer((socket) => socket.on('error', () => {})).listen(0, '127.0.0.1');
    await once(mute, 'listening');
    const { port } = mute.address() as AddressInfo;
    const cluster = new RabbitmqBroker({ urls: [way, `amqp://127.0.0.1:${port}`] });
    const events = cluster.publisher();
    await ready(cluster);
    proxy.cut();
    await eventually(() => !events.connected);
    await eventually(() => events.connected, { within: 15_000 });
    await events.close(1_000);
    await cluster.close();
    mute.close();
  });

  it('names everything that is missing where it may only check', async () => {
    const checking = new RabbitmqBroker({
      urls: [(await services()).amqpUrl],
      topology: 'check',
      metrics: { lost: (_, error) => lost.push(error.message) },
    });
    const events = checking.publisher();
    checking.start();
    await eventually(() => lost.length > 0);
    for (const name of ['exchange presence.events', 'queue presence.writer', 'presence.dead']) {
      expect(lost[0]).to.contain(name);
    }
    await operator.channel.assertExchange('presence.events', 'topic');
    await eventually(() => !lost.at(-1)!.includes('exchange presence.events'));
    expect(lost.at(-1)).to.contain('exchange presence.changes');
    await ready(direct.publisher() && direct);
    await eventually(() => events.connected);
    await events.close(1_000);
    await checking.close();
  });

  it('closes within its timeout where the broker is away', async () => {
    const events = publisher();
    await ready(broker);
    proxy.shut();
    events.record(heartbeat(1));
    const began = performance.now();
    await events.close(300);
    await broker.close();
    expect(performance.now() - began).to.be.below(1_500);
  });

  function publishHeartbeat(): void {
    const body = Buffer.from('{"type":"heartbeat","user_id":1}');
    operator.channel.publish('presence.events', 'presence.heartbeat', body);
  }
});
