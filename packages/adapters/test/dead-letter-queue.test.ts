import {
  type DeadLetter,
  DeadLetterQueue,
  NoDeadLetterQueue,
  RabbitmqBroker,
} from '@presence/adapters/rabbitmq';
import { Unavailable } from '@presence/domain';
import { eventually, services } from '@presence/test-services';
import { type ConfirmChannel, connect } from 'amqplib';
import { expect } from 'chai';
import { ensureTopology } from '../dist/rabbitmq/topology.js';
import { Operator } from './rabbitmq-queue.js';
import { TcpProxy } from './tcp-proxy.js';

describe('The queue of dead letters', () => {
  let url: URL;
  let operator: Operator;
  let proxy: TcpProxy;
  const open: DeadLetterQueue[] = [];

  beforeEach(async () => {
    url = new URL((await services()).amqpUrl);
    operator = await Operator.connect();
    await operator.clear();
    const model = await connect(url.href);
    await ensureTopology(model, 'declare');
    await model.close();
    proxy = await TcpProxy.to(Number(url.port || 5672), url.hostname);
  });

  afterEach(async () => {
    await Promise.all(open.splice(0).map((queue) => queue.close()));
    await proxy.close();
    await operator.clear();
    await operator.close();
  });

  async function queue(urls: readonly string[] = [url.href]): Promise<DeadLetterQueue> {
    const opened = await DeadLetterQueue.open({ urls, name: 'test' });
    open.push(opened);
    return opened;
  }

  function throughProxy(): string {
    const proxied = new URL(url.href);
    proxied.host = `127.0.0.1:${proxy.port}`;
    return proxied.href;
  }

  /** Letters whose bodies are their numbers. */
  async function fill(count: number, options = {}): Promise<void> {
    const model = await connect(url.href);
    const channel: ConfirmChannel = await model.createConfirmChannel();
    for (let number = 1; number <= count; number++) {
      channel.publish('presence.dead', '', Buffer.from(String(number)), {
        persistent: true,
        headers: { 'x-presence-reason': 'unknown_user' },
        ...options,
      });
    }
    await channel.waitForConfirms();
    await model.close();
  }

  async function take(from: DeadLetterQueue, count = Number.POSITIVE_INFINITY) {
    const letters: DeadLetter[] = [];
    for await (const letter of from.letters()) {
      letters.push(letter);
      if (letters.length === count) break;
    }
    return letters;
  }

  async function look(count?: number): Promise<number[]> {
    const looking = await queue();
    const letters = await take(looking, count);
    await looking.close();
    return letters.map(({ body }) => Number(body.toString()));
  }

  /** What is handed back is ready again once the broker has noticed the end of the channel. */
  const ready = (count: number) =>
    eventually(async () => {
      const { messageCount } = await operator.channel.checkQueue('presence.dead');
      return messageCount === count;
    });

  const numbers = (from: number, to: number) =>
    Array.from({ length: to - from + 1 }, (_, at) => from + at);

  it('hands its letters out oldest first, and back in the same order, however many were wanted', async () => {
    await fill(500);
    for (const wanted of [500, 3, 100, 1, 250]) {
      expect(await look(wanted)).to.deep.equal(numbers(1, wanted));
      await ready(500);
    }
    expect(await look()).to.deep.equal(numbers(1, 500));
  });

  it('lets go of thousands of letters at once, and keeps the order of those between them', async () => {
    await fill(4_000);
    const discarding = await queue();
    for (const letter of await take(discarding)) {
      if (letter.number % 2 === 0) discarding.discard(letter);
    }
    await discarding.close();
    await ready(2_000);
    expect(await look(2)).to.deep.equal([1, 3]);
    await ready(2_000);
    expect(await look()).to.deep.equal(numbers(0, 1_999).map((half) => 2 * half + 1));
  });

  it('has every letter back, in order, after a connection that was cut', async () => {
    await fill(200);
    const cut = await queue([throughProxy()]);
    await take(cut, 50);
    proxy.cut();
    await eventually(() =>
      cut.waiting().then(
        () => false,
        (error) => error instanceof Unavailable,
      ),
    );
    await ready(200);
    expect(await look()).to.deep.equal(numbers(1, 200));
  });

  it('says of a letter why, when and how often', async () => {
    await fill(1, { timestamp: 1_700_000_000 });
    await look();
    await ready(1);
    const [letter] = await take(await queue());
    expect(letter).to.deep.equal({
      number: 1,
      reason: 'unknown_user',
      refusedAt: 1_700_000_000_000,
      occurredAt: 1_700_000_000_000,
      routingKey: '',
      body: Buffer.from('1'),
      looks: 1,
    });
  });

  it('names the reason of the broker itself where it was the broker that refused', async () => {
    const name = 'expiring';
    const deadLettered = { expires: 60_000, messageTtl: 0, deadLetterExchange: 'presence.dead' };
    await operator.channel.assertQueue(name, deadLettered);
    await operator.channel.bindQueue(name, 'presence.events', 'presence.heartbeat');
    const forged = {
      'x-presence-reason': 'unknown_user',
      'x-presence-occurred-at': '2023-11-14T22:13:19Z',
    };
    const before = Math.floor(Date.now() / 1_000) * 1_000;
    operator.channel.publish('presence.events', 'presence.heartbeat', Buffer.from('1'), {
      headers: forged,
    });
    await ready(1);
    await operator.channel.deleteQueue(name);
    const [letter] = await take(await queue());
    expect(letter).to.include({ reason: 'broker:expired', routingKey: 'presence.heartbeat' });
    expect(letter!.refusedAt).to.be.within(before - 1_000, Date.now());
    expect(letter!.occurredAt).to.equal(letter!.refusedAt);
  });

  it('replays: on the queue of events, dated as the letter, and only then out of this one', async () => {
    await fill(2, { timestamp: 1_700_000_000 });
    const replaying = await queue();
    const [first] = await take(replaying, 1);
    const body = Buffer.from('{}');
    await replaying.replay(first!, [{ routingKey: 'presence.heartbeat', body }]);
    await replaying.close();
    await ready(1);
    const [event] = await operator.drain('presence.writer');
    expect(event!.fields.routingKey).to.equal('presence.heartbeat');
    expect(event!.content).to.deep.equal(body);
    expect(event!.properties).to.include({ timestamp: 1_700_000_000, deliveryMode: 2 });
    expect(await look()).to.deep.equal([2]);
  });

  it('replays at the time that the event had, not that of its refusal', async () => {
    const headers = { 'x-presence-occurred-at': '2023-11-14T22:13:19.500Z' };
    await fill(1, { timestamp: 1_700_000_000, headers });
    const replaying = await queue();
    const [letter] = await take(replaying);
    expect(letter).to.include({ occurredAt: 1_699_999_999_500, refusedAt: 1_700_000_000_000 });
    await replaying.replay(letter!, [{ routingKey: 'presence.heartbeat', body: letter!.body }]);
    const [event] = await operator.drain('presence.writer');
    expect(event!.properties.timestamp).to.equal(1_699_999_999);
  });

  it('keeps a letter whose event no queue takes', async () => {
    await fill(1);
    await operator.channel.deleteQueue('presence.writer');
    const replaying = await queue();
    const [letter] = await take(replaying);
    const message = { routingKey: 'presence.heartbeat', body: Buffer.from('{}') };
    const error = await replaying.replay(letter!, [message]).catch((reason: unknown) => reason);
    expect(error).to.be.instanceOf(Unavailable);
    await ready(1);
  });

  it('is emptied of what nobody holds', async () => {
    await fill(5);
    expect(await (await queue()).purge()).to.equal(5);
    expect(await look()).to.deep.equal([]);
  });

  it('is found on the second broker where the first is away', async () => {
    await fill(1);
    expect(await (await queue(['amqp://127.0.0.1:1', url.href])).waiting()).to.equal(1);
  });

  it('says that it is not there, rather than to make itself', async () => {
    await operator.clear();
    const error = await queue().catch((reason: unknown) => reason);
    expect(error).to.be.instanceOf(NoDeadLetterQueue);
  });

  it('gives up where no broker answers, after each was tried once', async () => {
    const error = await queue(['amqp://127.0.0.1:1']).catch((reason: unknown) => reason);
    expect((error as Error).message).to.include('ECONNREFUSED');
  });

  it('has what a worker refuses, in the words in which it came', async () => {
    const broker = new RabbitmqBroker({ urls: [url.href] });
    const source = broker.source({ maxClockSkew: 0 });
    await source.start(async ({ refusals }) => ({ kind: 'settled', refusals, reply: null }));
    broker.start();
    operator.channel.publish('presence.events', 'presence.login', Buffer.from('{"a":'));
    await ready(1);
    await source.close(1_000);
    await broker.close();
    const [letter] = await take(await queue());
    expect(letter).to.include({ reason: 'invalid_json' });
    expect(letter!.body.toString()).to.equal('{"a":');
    expect(letter!.refusedAt).to.be.closeTo(Date.now(), 30_000);
  });
});
