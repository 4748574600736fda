import { RabbitmqBroker } from '@presence/adapters/rabbitmq';
import { Unavailable } from '@presence/domain';
import { eventually, type RabbitServer, startRabbit } from '@presence/test-services';
import { connect } from 'amqplib';
import { expect } from 'chai';
import { collector, expectNoGap, heartbeat, statusSet } from './queue-contract.js';

describe('RabbitMQ, when the broker itself is in trouble', function () {
  this.timeout(90_000);
  let server: RabbitServer;
  let broker: RabbitmqBroker;
  let blocked: boolean[];

  before(async () => {
    server = await startRabbit();
    // RabbitMQ 3.10 does not recover a quorum queue that is killed in the moment of its birth.
    const first = new RabbitmqBroker({ urls: [server.url] });
    first.changes();
    first.start();
    await eventually(() => first.connected);
    await first.close();
    await server.restart();
  });
  after(() => server.dispose());

  beforeEach(() => {
    blocked = [];
    broker = new RabbitmqBroker({
      urls: [server.url],
      metrics: { blocked: (_, now) => blocked.push(now) },
    });
  });
  afterEach(() => broker.close());

  it('goes on consuming under an alarm; what it kept, and dead letters, go out when that is over', async () => {
    const publisher = broker.publisher();
    const source = broker.source({ maxClockSkew: 15_000 });
    broker.start();
    await eventually(() => broker.connected);
    const settle: (() => void)[] = [];
    const taken = collector();
    await source.start(async (delivery) => {
      await new Promise<void>((resolve) => settle.push(resolve));
      return taken.handle(delivery);
    });
    const other = await connect(server.url);
    const channel = await other.createConfirmChannel();
    channel.publish('presence.events', 'presence.heartbeat', Buffer.from('no event'));
    await channel.waitForConfirms();
    await eventually(() => settle.length > 1);
    await server.ctl('set_vm_memory_high_watermark', 'absolute', '1');
    await eventually(() => blocked.includes(true));
    expect(publisher.connected).to.equal(false);
    const error = await publisher.submit(statusSet(1), 2_000).catch((reason: unknown) => reason);
    expect(error).to.be.instanceOf(Unavailable);
    publisher.record(heartbeat(1));
    expect(publisher.accepting).to.equal(true);
    for (const one of settle.splice(0)) one();
    await source.pause();
    const onlyTheDead = async () => {
      const queues = await server.ctl('list_queues', 'name', 'messages_unacknowledged');
      return /^presence\.writer\s+1$/m.test(queues);
    };
    await eventually(onlyTheDead, { within: 20_000, every: 500 });
    await server.ctl('set_vm_memory_high_watermark', '0.4');
    await source.start(taken.handle);
    await eventually(() => taken.events.length > 0, { within: 20_000 });
    await eventually(async () => (await channel.checkQueue('presence.dead')).messageCount === 1);
    await other.close();
    await publisher.close(5_000);
    await eventually(() => taken.progress.some(({ last }) => last));
    await source.close(1_000);
    expectNoGap(taken.progress);
    expect(blocked).to.deep.equal([true, false]);
  });

  it('connects under an alarm, whatever it has to publish', async () => {
    await server.ctl('set_vm_memory_high_watermark', 'absolute', '1');
    const publisher = broker.publisher();
    broker.changes();
    publisher.record(heartbeat(1));
    broker.start();
    await eventually(() => broker.connected && blocked.includes(true), { within: 5_000 });
    await server.ctl('set_vm_memory_high_watermark', '0.4');
    await eventually(() => publisher.connected, { within: 20_000 });
    await publisher.close(5_000);
  });

  it('loses nothing that is recorded when the broker is killed, and is well again in 5 s', async () => {
    const publisher = broker.publisher();
    const source = broker.source({ maxClockSkew: 15_000 });
    broker.start();
    await eventually(() => broker.connected);
    const taken = collector();
    await source.start(taken.handle);
    for (let user = 1; user <= 500; user++) publisher.record(heartbeat(user));
    await server.kill();
    await eventually(() => !broker.connected);
    for (let user = 501; user <= 1_000; user++) publisher.record(heartbeat(user));
    await server.restart();
    const back = performance.now();
    await eventually(() => new Set(taken.events.map(({ user }) => user)).size >= 1_000, {
      within: 20_000,
    });
    expect(performance.now() - back).to.be.below(5_000);
    await publisher.close(5_000);
    await eventually(() => taken.progress.some(({ last }) => last));
    await source.close(1_000);
    expectNoGap(taken.progress);
  });
});
