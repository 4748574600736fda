import { fileURLToPath } from 'node:url';
import { RabbitmqBroker } from '@presence/adapters/rabbitmq';
import { type Child, eventually, services, startProcess } from '@presence/test-services';
import { type ChannelModel, type ConfirmChannel, type ConsumeMessage, connect } from 'amqplib';
import { expect } from 'chai';

const ENTRY = fileURLToPath(new URL('../dist/dead-main.js', import.meta.url));
const EXCHANGES = ['presence.events', 'presence.changes', 'presence.dead'];
const QUEUES = ['presence.writer', 'presence.dead'];
const REFUSED_AT = 1_700_000_000;

const heartbeat = (userId: number) => ({ type: 'heartbeat', user_id: userId });

describe('npm run dead', function () {
  this.timeout(60_000);
  let url: string;
  let model: ChannelModel;
  let channel: ConfirmChannel;

  before(async () => {
    url = (await services()).amqpUrl;
    model = await connect(url);
    channel = await model.createConfirmChannel();
  });

  after(async () => {
    await clear();
    await model.close();
  });

  beforeEach(async () => {
    await clear();
    const broker = new RabbitmqBroker({ urls: [url] });
    broker.changes();
    broker.start();
    await eventually(() => broker.connected);
    await broker.close();
  });

  async function clear(): Promise<void> {
    for (const queue of QUEUES) await channel.deleteQueue(queue);
    for (const exchange of EXCHANGES) await channel.deleteExchange(exchange);
  }

  async function refuse(reason: string, ...bodies: unknown[]): Promise<void> {
    for (const body of bodies) {
      const text = Buffer.isBuffer(body) || typeof body === 'string' ? body : JSON.stringify(body);
      channel.publish('presence.dead', '', Buffer.from(text as string), {
        headers: { 'x-presence-reason': reason },
        timestamp: REFUSED_AT,
        persistent: true,
      });
    }
    await channel.waitForConfirms();
  }

  async function dead(...args: string[]): Promise<Child & { code: number | null }> {
    const child = startProcess(ENTRY, { args, env: { AMQP_URL: url } });
    const { code } = await child.exited;
    return Object.assign(child, { code });
  }

  async function left(count: number): Promise<void> {
    await eventually(async () => {
      const { messageCount } = await channel.checkQueue('presence.dead');
      return messageCount === count;
    });
  }

  async function drain(queue: string) {
    const messages = [];
    for (;;) {
      const message = await channel.get(queue, { noAck: true });
      if (!message) return messages;
      messages.push(message);
    }
  }

  const bodies = async () => (await drain('presence.dead')).map(({ content }) => `${content}`);

  describe('list', () => {
    it('counts by reason, and lists the oldest in order, removing none', async () => {
      await refuse('unknown_user', heartbeat(7), heartbeat(8));
      await refuse('invalid_json', '{"type":');
      const { code, stdout } = await dead('list', '--limit', '2');
      expect(code).to.equal(0);
      expect(stdout).to.match(/^3 dead letters\. By reason:\n {2}2 {2}unknown_user\n {2}1 {2}inv/);
      expect(stdout).to.match(/1 {2}2023-11-14 22:13:20Z, \d+ d ago {2}unknown_user {2}32 B/);
      expect(stdout).to.include('{"type":"heartbeat","user_id":7}').and.not.include('{"type":\n');
      expect(stdout).to.include('The oldest 2 are listed');
      await left(3);
      expect(await bodies()).to.deep.equal([
        JSON.stringify(heartbeat(7)),
        JSON.stringify(heartbeat(8)),
        '{"type":',
      ]);
    });

    it('shortens an event to one line without anything that a terminal obeys', async () => {
      const esc = '\u001b[31m\u009b\u202e\u2028';
      await refuse('invalid_json\u001b[2J', `{"a":\r\n"${esc}", "b": "${'x'.repeat(500)}"}`);
      const { stdout } = await dead('list');
      expect(stdout).to.not.match(/[^\P{C}\n]|\p{Zl}/u);
      expect(stdout).to.include('\\u001b[31m\\u009b\\u202e\\u2028').and.include('…');
      expect(Math.max(...stdout.split('\n').map(({ length }) => length))).to.be.below(150);
    });

    it('is JSON for programs, each body whole', async () => {
      await refuse('unknown_user', heartbeat(7));
      await refuse('invalid_json', Buffer.from([0xff, 0x00]), '"\u009b\u{e0001}"');
      const { stdout } = await dead('list', '--json');
      expect(stdout).to.not.match(/[^\P{C}\n]/u);
      const { letters, ...counts } = JSON.parse(stdout);
      expect(counts).to.deep.equal({
        total: 3,
        counted: 3,
        reasons: { unknown_user: 1, invalid_json: 2 },
      });
      expect(letters[0]).to.deep.equal({
        number: 1,
        reason: 'unknown_user',
        refused_at: '2023-11-14T22:13:20.000Z',
        size: 32,
        looks: 0,
        body: JSON.stringify(heartbeat(7)),
      });
      expect(letters[1].body_base64).to.equal('/wA=');
      expect(letters[2].body).to.equal('"\u009b\u{e0001}"');
    });

    it('says so where there are none', async () => {
      const { code, stdout } = await dead('list');
      expect([code, stdout]).to.deep.equal([0, 'There are no dead letters.\n']);
    });

    it('warns before letters have been looked at too often for RabbitMQ 4', async () => {
      await refuse('unknown_user', heartbeat(7));
      for (let look = 0; look < 10; look++) {
        await left(1);
        const consumer = await model.createChannel();
        await new Promise((resolve) => void consumer.consume('presence.dead', resolve));
        await consumer.close();
      }
      await left(1);
      expect((await dead('list')).stderr).to.include('looked at 10 times');
    });
  });

  describe('show', () => {
    it('prints one whole, with its own lines, and control characters as text', async () => {
      await refuse('invalid_json', 'first', `{\n\t"a": "${'x'.repeat(5_000)}\u001b]0;x\u0007"`);
      const { code, stdout } = await dead('show', '2');
      expect(code).to.equal(0);
      expect(stdout).to.match(/^Letter 2, invalid_json, 2023-11-14 22:13:20Z/);
      expect(stdout).to.include(`{\n\t"a": "${'x'.repeat(5_000)}\\u001b]0;x\\u0007"\n`);
      await left(2);
    });

    it('prints bytes that are no text as their numbers', async () => {
      await refuse('invalid_json', Buffer.from([0x41, 0xff, 0x1b, 0x9b]));
      expect((await dead('show', '1')).stdout).to.include('A\\xff\\u001b\\x9b\n');
    });

    it('says how many there are where there is no such letter', async () => {
      await refuse('invalid_json', 'first');
      const { code, stdout, stderr } = await dead('show', '2');
      expect([code, stdout]).to.deep.equal([1, '']);
      expect(stderr).to.equal('There is no letter 2: the queue holds 1.\n');
    });
  });

  describe('replay', () => {
    const replayed = async () =>
      (await drain('presence.writer')).map(({ fields, properties, content }) => [
        fields.routingKey,
        content.toString(),
        properties.timestamp as unknown,
      ]);

    it('publishes each event as it came, under the key that fits it, at the time of its refusal', async () => {
      const at = '2023-11-14T22:13:19.000Z';
      const set = { type: 'status_set', user_id: 1, status: 'away', occurred_at: at, note: 1.0 };
      await refuse('unknown_user', '{"type":"heartbeat", "user_id":7}');
      await refuse('database:22003', set);
      const { code, stdout } = await dead('replay');
      expect(code).to.equal(0);
      expect(stdout).to.match(/^2 dead letters replayed\.\n/);
      expect(await replayed()).to.deep.equal([
        ['presence.heartbeat', '{"type":"heartbeat", "user_id":7}', REFUSED_AT],
        ['presence.status_set', JSON.stringify(set), REFUSED_AT],
      ]);
      await left(0);
    });

    it('leaves what cannot be replayed where it is, and says why', async () => {
      const later = new Date(Date.now() + 3_600_000).toISOString();
      await refuse('invalid_json', '{"type":');
      await refuse('unknown_user', heartbeat(7));
      await refuse('invalid_event', { type: 'heartbeat', user_id: -1 }, null, []);
      await refuse('future_timestamp', { ...heartbeat(7), occurred_at: later });
      const { code, stdout } = await dead('replay');
      expect(code).to.equal(0);
      expect(stdout).to.match(/^1 dead letter replayed\.\n5 dead letters stay:\n/);
      expect(stdout).to.match(/3 {2}no event that is known here\n/);
      expect(stdout)
        .to.match(/1 {2}not JSON\n/)
        .and.match(/1 {2}its time is still to come\n/);
      expect(await replayed()).to.have.length(1);
      await left(5);
      expect((await bodies())[0]).to.equal('{"type":');
    });

    it('does not lend an event a routing key that its sender may not have, unless told to', async () => {
      const forged = { type: 'logout', user_id: 1, occurred_at: '2023-11-14T22:13:19.000Z' };
      await refuse('routing_key_mismatch', forged);
      expect((await dead('replay')).stdout).to.match(
        /^0 dead letters replayed\.\n1 dead letter st/,
      );
      await left(1);
      expect(await replayed()).to.deep.equal([]);
      await dead('replay', '--reason', 'routing_key_mismatch');
      expect((await replayed()).map(([key]) => key)).to.deep.equal(['presence.logout']);
    });

    it('nor one that the broker has refused before anybody judged its key', async () => {
      const options = { headers: { 'x-first-death-reason': 'delivery_limit' }, persistent: true };
      const forged = { type: 'logout', user_id: 1, occurred_at: '2023-11-14T22:13:19.000Z' };
      for (const event of [forged, heartbeat(1)]) {
        const body = Buffer.from(JSON.stringify(event));
        channel.publish('presence.dead', 'presence.heartbeat', body, options);
      }
      await channel.waitForConfirms();
      const { stdout } = await dead('replay');
      expect(stdout).to.match(/^1 dead letter replayed\.\n1 dead letter stays:/);
      expect(stdout).to.include('replay --reason broker:delivery_limit');
      expect((await replayed()).map(([key]) => key)).to.deep.equal(['presence.heartbeat']);
      await left(1);
      await dead('replay', '--reason', 'broker:delivery_limit');
      expect((await replayed()).map(([key]) => key)).to.deep.equal(['presence.logout']);
    });

    it('leaves what its message had dated ahead until that time has come', async () => {
      const headers = {
        'x-presence-reason': 'future_timestamp',
        'x-presence-occurred-at': new Date(Date.now() + 3_600_000).toISOString(),
      };
      const body = Buffer.from(JSON.stringify(heartbeat(7)));
      channel.publish('presence.dead', '', body, { headers, timestamp: REFUSED_AT });
      await channel.waitForConfirms();
      expect((await dead('replay')).stdout).to.include('its time is still to come');
      await left(1);
    });

    it('leaves what was too large, whose key nobody has judged, in whatever parts it would go', async () => {
      const events = Array.from({ length: 1_500 }, () => ({ ...heartbeat(7), x: 'x'.repeat(200) }));
      await refuse('too_large', events);
      expect((await dead('replay')).stdout).to.include('too large for one message');
      await left(1);
    });

    it('splits an array of too many into messages that are taken', async () => {
      await refuse(
        'too_many',
        Array.from({ length: 2_500 }, (_, at) => heartbeat(at + 1)),
      );
      expect((await dead('replay')).stdout).to.match(/^1 dead letter replayed\./);
      const parts = (await replayed()).map(([key, body]) => [key, JSON.parse(body as string)]);
      expect(parts.map(([key]) => key)).to.deep.equal(Array(3).fill('presence.batch'));
      const users = parts.flatMap(([, events]) => events.map(({ user_id: id }: never) => id));
      expect(users).to.deep.equal(Array.from({ length: 2_500 }, (_, at) => at + 1));
    });

    it('takes no more than asked for, of the reason asked for, oldest first', async () => {
      await refuse('unknown_user', heartbeat(1));
      await refuse('database:22003', heartbeat(2));
      await refuse('unknown_user', heartbeat(3), heartbeat(4));
      const { stdout } = await dead('replay', '--reason', 'unknown_user', '--limit', '2');
      expect(stdout).to.match(/^2 dead letters replayed\./);
      const users = (await replayed()).map(([, body]) => JSON.parse(body as string).user_id);
      expect(users).to.deep.equal([1, 3]);
      await left(2);
      expect(await bodies()).to.deep.equal(
        [heartbeat(2), heartbeat(4)].map((e) => JSON.stringify(e)),
      );
    });

    it('loses nothing where nobody takes the events, and fails', async () => {
      await refuse('unknown_user', heartbeat(1), heartbeat(2));
      await channel.deleteQueue('presence.writer');
      const { code, stderr } = await dead('replay');
      expect(code).to.equal(1);
      expect(stderr)
        .to.match(/^0 dead letters replayed so far/)
        .and.include('run it again');
      await left(2);
    });

    it('loses nothing when it is killed in the middle, and repeats what was on its way', async () => {
      const users = Array.from({ length: 1_000 }, (_, at) => at + 1);
      await refuse('unknown_user', ...users.map((user) => ({ type: 'heartbeat', user_id: user })));
      const replaying = startProcess(ENTRY, { args: ['replay'], env: { AMQP_URL: url } });
      const sent = async () => (await channel.checkQueue('presence.writer')).messageCount;
      await eventually(async () => (await sent()) > 0, { every: 1 });
      await replaying.kill();
      expect(await sent(), 'it was over before it was killed').to.be.below(users.length);
      const { code } = await dead('replay');
      expect(code).to.equal(0);
      await left(0);
      const came = new Set<string>();
      const take = (message: ConsumeMessage | null) => came.add(`${message?.content}`);
      const { consumerTag } = await channel.consume('presence.writer', take, { noAck: true });
      await eventually(() => came.size === users.length);
      await channel.cancel(consumerTag);
    });

    it('counts in JSON for programs', async () => {
      await refuse('unknown_user', { type: 'heartbeat', user_id: 7 }, { type: 'dance' });
      const { code, stdout } = await dead('replay', '--json');
      expect(code).to.equal(0);
      expect(JSON.parse(stdout)).to.deep.equal({
        total: 2,
        looked: 2,
        replayed: 1,
        staying: { 'no event that is known here': 1 },
      });
    });

    it('gets through more letters than go out at once', async () => {
      await refuse('unknown_user', ...Array.from({ length: 350 }, (_, at) => heartbeat(at + 1)));
      expect((await dead('replay')).stdout).to.match(/^350 dead letters replayed\./);
      expect(await replayed()).to.have.length(350);
      await left(0);
    });
  });

  describe('purge', () => {
    it('deletes nothing without a terminal to ask on, or --yes', async () => {
      await refuse('invalid_json', '{');
      const { code, stderr } = await dead('purge');
      expect(code).to.equal(2);
      expect(stderr).to.include('say --yes');
      await left(1);
    });

    it('deletes those of one reason', async () => {
      await refuse('invalid_json', '{', '[');
      await refuse('unknown_user', heartbeat(1));
      const { stdout } = await dead('purge', '--reason', 'invalid_json', '--yes');
      expect(stdout).to.equal('2 dead letters deleted.\n');
      await left(1);
      expect(await bodies()).to.deep.equal([JSON.stringify(heartbeat(1))]);
    });

    it('counts in JSON for programs', async () => {
      await refuse('invalid_json', '{', '[');
      await refuse('unknown_user', { type: 'heartbeat', user_id: 7 });
      const some = await dead('purge', '--reason', 'invalid_json', '--yes', '--json');
      expect(JSON.parse(some.stdout)).to.deep.equal({ total: 3, looked: 3, deleted: 2 });
      const all = await dead('purge', '--yes', '--json');
      expect(JSON.parse(all.stdout)).to.deep.equal({ total: 1, looked: 1, deleted: 1 });
      await left(0);
    });

    it('deletes all', async () => {
      await refuse('invalid_json', '{', '[');
      await refuse('unknown_user', heartbeat(1));
      expect((await dead('purge', '--yes')).stdout).to.equal('3 dead letters deleted.\n');
      await left(0);
    });
  });

  describe('says what to do', () => {
    it('with --help', async () => {
      const { code, stdout } = await dead('--help');
      expect(code).to.equal(0);
      for (const command of ['list', 'show', 'replay', 'purge']) expect(stdout).to.include(command);
    });

    const wrong: [string[], string][] = [
      [[], 'Say what to do'],
      [['bury'], 'There is no command "bury"'],
      [['show'], 'Say which'],
      [['show', '0'], 'whole number from 1 on'],
      [['show', '10001'], 'Only the oldest 10000'],
      [['list', '--limit', 'many'], '--limit is a whole number'],
      [['purge', '--limit', '1'], 'purge takes no --limit'],
      [['list', '--colour'], '--colour'],
      [['replay', 'all'], 'What is "all" for?'],
    ];
    for (const [args, advice] of wrong) {
      it(`after: dead ${args.join(' ')}`, async () => {
        const { code, stderr, stdout } = await dead(...args);
        expect([code, stdout]).to.deep.equal([2, '']);
        expect(stderr).to.include(advice).and.include('Usage: npm run dead');
      });
    }

    it('where AMQP_URL is missing', async () => {
      const child = startProcess(ENTRY, { args: ['list'] });
      expect((await child.exited).code).to.equal(2);
      expect(child.stderr).to.include('AMQP_URL');
    });

    it('where no broker answers, without telling the password', async () => {
      const env = { AMQP_URL: 'amqp://me:secret@127.0.0.1:1/v' };
      const child = startProcess(ENTRY, { args: ['list'], env });
      expect((await child.exited).code).to.equal(1);
      expect(child.stderr).to.include('RabbitMQ at 127.0.0.1:1').and.not.include('secret');
    });

    it('where there is no such queue', async () => {
      await clear();
      const { code, stderr } = await dead('list');
      expect(code).to.equal(1);
      expect(stderr).to.include('There is no queue presence.dead');
    });
  });
});
