import { randomUUID } from 'node:crypto';
import type {
  ChangePublisher,
  DeadLetterPublisher,
  Delivery,
  EventPublisher,
  EventSource,
  PresenceEvent,
  Progress,
  ReportedEvent,
  StatusChange,
  Ticker,
  Verdict,
} from '@presence/domain';
import { eventually } from '@presence/test-services';
import { expect } from 'chai';

/** A queue under test, empty. */
export interface QueueUnderTest {
  publisher(): EventPublisher;
  source(options?: { prefetch?: number }): EventSource;
  ticker(): Ticker;
  changes: ChangePublisher;
  deadLetters: DeadLetterPublisher;
  /** Makes connections, where there are any. */
  start(): Promise<void>;
  /** Publishes as another service would. */
  publish(routingKey: string, body: string | Buffer): Promise<void>;
  /** Takes the dead letters out. */
  dead(): Promise<{ reason: string; body: string }[]>;
  /** Takes out what was announced since `start`. */
  announced(): Promise<{ routingKey: string; messageId: string; body: unknown }[]>;
  close(): Promise<void>;
}

const SETTLED: Verdict = { kind: 'settled', refusals: [], reply: null };

export function heartbeat(user: ReportedEvent['user'], occurredAt = Date.now()): ReportedEvent {
  return { type: 'heartbeat', user, occurredAt, status: 'online', sessionId: 'laptop' };
}

export function statusSet(userId: number, occurredAt = Date.now()): PresenceEvent {
  return { type: 'status_set', userId, occurredAt, status: 'away', sessionId: '' };
}

/** Settles everything and keeps it. */
export function collector(verdict: (delivery: Delivery) => Verdict = () => SETTLED) {
  const deliveries: Delivery[] = [];
  return {
    deliveries,
    get events(): ReportedEvent[] {
      return deliveries.flatMap(({ events }) => events);
    },
    get progress(): Progress[] {
      return deliveries.flatMap(({ progress }) => progress ?? []);
    },
    handle: async (delivery: Delivery): Promise<Verdict> => {
      deliveries.push(delivery);
      return verdict(delivery);
    },
  };
}

/** Asserts that the intervals of each publisher reach from its `since` on without a gap. */
export function expectNoGap(progress: readonly Progress[]): void {
  for (const publisher of new Set(progress.map((each) => each.publisher))) {
    const intervals = progress.filter((each) => each.publisher === publisher);
    intervals.sort((a, b) => a.from - b.from);
    let reached = intervals[0]!.since;
    for (const { from, through } of intervals) {
      expect(from, 'a gap before this interval').to.be.at.most(reached);
      reached = Math.max(reached, through);
    }
  }
}

export function describeQueue(name: string, create: () => Promise<QueueUnderTest>): void {
  describe(`The queue: ${name}`, () => {
    let queue: QueueUnderTest;
    let open: { close(timeout: number): Promise<void> }[];

    beforeEach(async () => {
      queue = await create();
      open = [];
    });
    afterEach(async () => {
      await Promise.all(open.map((each) => each.close(1_000)));
      await queue.close();
    });

    function publisher(): EventPublisher {
      const created = queue.publisher();
      open.push(created);
      return created;
    }

    function source(options?: { prefetch?: number }): EventSource {
      const created = queue.source(options);
      open.push(created);
      return created;
    }

    it('hands a recorded event over as it was, within a second', async () => {
      const [events, taker] = [publisher(), source()];
      await queue.start();
      const taken = collector();
      await taker.start(taken.handle);
      const event = heartbeat(7, 1_705_314_600_123);
      events.record(event);
      await eventually(() => taken.events.length > 0, { within: 1_000 });
      expect(taken.events).to.deep.equal([event]);
    });

    it('folds what is recorded of one user in the same moment into the greatest event', async () => {
      const [events, taker] = [publisher(), source()];
      await queue.start();
      const taken = collector();
      await taker.start(taken.handle);
      const now = Date.now();
      const user = { issuer: 'https://issuer.example', subject: 'auth0|7' };
      for (const back of [0, 5, 9]) events.record(heartbeat(user, now - back));
      events.record(heartbeat(7, now));
      await eventually(() => taken.events.length >= 2);
      expect(taken.events).to.deep.equal([heartbeat(user, now), heartbeat(7, now)]);
    });

    it('ticks without events, and its intervals reach from the beginning without a gap', async () => {
      const [events, taker] = [publisher(), source()];
      await queue.start();
      const taken = collector();
      await taker.start(taken.handle);
      for (let at = 0; at < 20; at++) events.record(heartbeat(at + 1));
      await eventually(() => taken.progress.length >= 3);
      expectNoGap(taken.progress);
      expect(taken.progress.every(({ kind, last }) => kind === 'app' && !last)).to.equal(true);
    });

    it('says its last word when it closes, with everything recorded before it', async () => {
      const [events, taker] = [queue.publisher(), source()];
      await queue.start();
      const taken = collector();
      await taker.start(taken.handle);
      const users = Array.from({ length: 2_500 }, (_, at) => at + 1);
      for (const user of users) events.record(heartbeat(user));
      await events.close(5_000);
      await eventually(() => taken.progress.some(({ last }) => last));
      await eventually(() => taken.events.length === users.length);
      expectNoGap(taken.progress);
      expect(taken.progress.filter(({ last }) => last)).to.have.length(1);
      expect(events.accepting).to.equal(false);
    });

    it('answers a submitted event with what the database says once it is committed', async () => {
      const [events, taker] = [publisher(), source()];
      await queue.start();
      const reply = { status: 'away', lastSeen: 1_705_314_600_123 } as const;
      const taken = collector(() => ({ kind: 'settled', refusals: [], reply }));
      await taker.start(taken.handle);
      const submission = await events.submit(statusSet(7), 2_000);
      expect(submission).to.deep.equal({ outcome: 'committed', presence: reply });
      expect(taken.deliveries.map(({ urgent }) => urgent)).to.include(true);
    });

    it('answers a submitted event that is refused with the reason, and dead-letters it', async () => {
      const [events, taker] = [publisher(), source()];
      await queue.start();
      await taker.start(async (delivery) => {
        const refusals = delivery.events.map((event) => delivery.refuse(event, 'unknown_user'));
        return { kind: 'settled', refusals, reply: null };
      });
      const submission = await events.submit(statusSet(404), 2_000);
      expect(submission).to.deep.equal({ outcome: 'refused', reason: 'unknown_user' });
      const [letter] = await deadLetters(1);
      expect(letter?.reason).to.equal('unknown_user');
      expect(JSON.parse(letter!.body)).to.include({ type: 'status_set', user_id: 404 });
    });

    it('dead-letters each bad event of an array with its reason; its mates are handed over', async () => {
      const taker = source();
      await queue.start();
      const taken = collector();
      await taker.start(taken.handle);
      const bad = '{"type":"heartbeat","user_id":12345678901234567890}';
      const good = '{"type":"heartbeat","user_id":7}';
      const login = '{"type":"login","user_id":7,"occurred_at":"2024-01-15T10:30:00Z"}';
      await queue.publish('presence.batch', `[${bad}, ${good}, ${login}]`);
      await queue.publish('presence.heartbeat', '{"type":');
      const letters = await deadLetters(3);
      expect(letters).to.have.deep.members([
        { reason: 'invalid_event', body: bad },
        { reason: 'routing_key_mismatch', body: login },
        { reason: 'invalid_json', body: '{"type":' },
      ]);
      expect(taken.events.map(({ user }) => user)).to.deep.equal([7]);
    });

    it('dead-letters events that are refused after they were taken off, with their reasons', async () => {
      await queue.start();
      const at = 1_705_314_600_123;
      await queue.deadLetters.publish([
        { event: { ...statusSet(7, at), sessionId: 's' }, reason: 'database:23514' },
        { event: { ...statusSet(8, at), type: 'heartbeat' }, reason: 'database:22P02' },
      ]);
      const letters = await deadLetters(2);
      const occurred_at = '2024-01-15T10:30:00.123Z';
      const set = { type: 'status_set', user_id: 7, occurred_at, status: 'away', session_id: 's' };
      const beat = { type: 'heartbeat', user_id: 8, occurred_at, status: 'away' };
      expect(letters.map(({ reason, body }) => [reason, JSON.parse(body)])).to.deep.equal([
        ['database:23514', set],
        ['database:22P02', beat],
      ]);
    });

    it('delivers again what is handed back, after a while', async () => {
      const taker = source();
      await queue.start();
      const times: number[] = [];
      await taker.start(async () => {
        times.push(performance.now());
        return times.length < 3 ? { kind: 'requeue' } : SETTLED;
      });
      await queue.publish('presence.heartbeat', '{"type":"heartbeat","user_id":7}');
      await eventually(() => times.length === 3);
      expect(times[2]! - times[0]!).to.be.above(200);
    });

    it('lets deliveries be settled in any order', async () => {
      const taker = source();
      await queue.start();
      const held: (() => void)[] = [];
      await taker.start(() => new Promise((resolve) => held.push(() => resolve(SETTLED))));
      await publishHeartbeats(20);
      await eventually(() => held.length === 20);
      for (const settle of [...held].reverse()) settle();
      await taker.close(1_000);
      expect(await waitingAfter()).to.deep.equal([]);
    });

    it('hands over no more than `prefetch` at a time', async () => {
      const taker = source({ prefetch: 5 });
      await queue.start();
      const held: (() => void)[] = [];
      await taker.start(() => new Promise((resolve) => held.push(() => resolve(SETTLED))));
      await publishHeartbeats(12);
      for (const expected of [5, 10, 12]) {
        await eventually(() => held.length >= expected);
        expect(held).to.have.length(expected);
        for (const settle of held) settle();
      }
    });

    it('takes nothing more once paused, and settles what it holds', async () => {
      const taker = source();
      await queue.start();
      const held: (() => void)[] = [];
      await taker.start(() => new Promise((resolve) => held.push(() => resolve(SETTLED))));
      await publishHeartbeats(3);
      await eventually(() => held.length === 3);
      await taker.pause();
      await publishHeartbeats(2);
      for (const settle of held) settle();
      await taker.close(1_000);
      expect(held).to.have.length(3);
      expect(await waitingAfter()).to.have.length(2);
    });

    it('takes up again where it was paused', async () => {
      const taker = source();
      await queue.start();
      const taken = collector();
      await taker.start(taken.handle);
      await taker.pause();
      await publishHeartbeats(2);
      await taker.start(taken.handle);
      await eventually(() => taken.events.length === 2);
    });

    it('delivers to another what one that closes has not settled', async () => {
      const taker = source();
      await queue.start();
      let handed = 0;
      await taker.start(() => {
        handed++;
        return new Promise(() => {});
      });
      await publishHeartbeats(3);
      await eventually(() => handed === 3);
      await taker.close(50);
      expect(await waitingAfter()).to.have.length(3);
    });

    it('shares deliveries among several', async () => {
      const [one, other] = [source({ prefetch: 4 }), source({ prefetch: 4 })];
      await queue.start();
      const [first, second] = [collector(), collector()];
      await one.start(first.handle);
      await other.start(second.handle);
      await publishHeartbeats(40);
      await eventually(() => first.events.length + second.events.length === 40);
      expect(first.events.length * second.events.length).to.be.above(0);
    });

    it('carries word of progress of a worker', async () => {
      const [ticker, taker] = [queue.ticker(), source()];
      await queue.start();
      const taken = collector();
      await taker.start(taken.handle);
      const interval = { since: 1_000, from: 1_000, through: 2_000, last: false };
      const progress: Progress = { publisher: randomUUID(), kind: 'worker', ...interval };
      await ticker.tick(progress);
      await eventually(() => taken.progress.length > 0);
      expect(taken.progress).to.deep.equal([progress]);
    });

    it('announces changes under the status that is visible now', async () => {
      await queue.start();
      const change: StatusChange = {
        id: randomUUID(),
        userId: 7,
        version: 3,
        from: 'online',
        to: 'offline',
        at: 1_705_314_600_123,
        lastSeen: 1_705_314_490_123,
        cause: 'expired',
      };
      await queue.changes.publish([change]);
      const announced: unknown[] = [];
      await eventually(async () => {
        announced.push(...(await queue.announced()));
        return announced.length > 0;
      });
      expect(announced[0]).to.deep.equal({
        routingKey: 'presence.offline',
        messageId: change.id,
        body: {
          id: change.id,
          user_id: 7,
          version: 3,
          from: 'online',
          to: 'offline',
          at: '2024-01-15T10:30:00.123Z',
          last_seen: '2024-01-15T10:28:10.123Z',
          cause: 'expired',
        },
      });
    });

    async function publishHeartbeats(count: number): Promise<void> {
      for (let user = 1; user <= count; user++) {
        await queue.publish('presence.heartbeat', `{"type":"heartbeat","user_id":${user}}`);
      }
    }

    async function deadLetters(count: number) {
      const letters: { reason: string; body: string }[] = [];
      await eventually(async () => {
        letters.push(...(await queue.dead()));
        return letters.length >= count;
      });
      return letters;
    }

    /** Takes out what nobody has settled: a marker behind it says when all has been seen. */
    async function waitingAfter(): Promise<ReportedEvent[]> {
      const taker = queue.source();
      const taken = collector();
      await queue.start();
      await taker.start(taken.handle);
      await queue.publish('presence.heartbeat', '{"type":"heartbeat","user_id":99999}');
      await eventually(() => taken.events.some(({ user }) => user === 99_999));
      await taker.close(1_000);
      return taken.events.filter(({ user }) => user !== 99_999);
    }
  });
}
