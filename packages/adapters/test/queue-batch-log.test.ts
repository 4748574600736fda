import type { ReportedEvent } from '@presence/domain';
import { expect } from 'chai';
import fc from 'fast-check';
import { type Batch, BatchLog } from '../dist/publishing/batch-log.js';
import { expectNoGap, heartbeat } from './queue-contract.js';

/** What happens to a publisher, one thing after another. */
type Step =
  | { do: 'record'; user: number; long: boolean }
  | { do: 'record many'; users: number }
  | { do: 'cut' }
  | { do: 'send' }
  | { do: 'confirm' | 'fail' | 'receive'; at: number }
  | { do: 'restart' };

const step: fc.Arbitrary<Step> = fc.oneof(
  fc.record({
    do: fc.constant('record' as const),
    user: fc.integer({ min: 1, max: 9 }),
    long: fc.boolean(),
  }),
  fc.record({ do: fc.constant('record many' as const), users: fc.nat({ max: 2_500 }) }),
  fc.record({ do: fc.constant('cut' as const) }),
  fc.record({ do: fc.constant('send' as const) }),
  fc.record({ do: fc.constantFrom('confirm' as const, 'fail', 'receive'), at: fc.nat() }),
  fc.record({ do: fc.constant('restart' as const) }),
);

/** A publisher whose queue, broker and clock are played by the test. */
class Play {
  readonly log = new BatchLog({ publisher: 'life-0', kind: 'app', since: 1_000 });
  readonly onTheWay: Batch[] = [];
  /** What the broker holds: confirmed, or taken although nobody was told. */
  readonly held: Batch[] = [];
  readonly recorded: { event: ReportedEvent; micros: number }[] = [];
  #clock = 1_000;
  #lives = 0;
  #time = 0;

  record(user: number, long = false): void {
    const event = { ...heartbeat(user, this.#time++), sessionId: long ? '\u0001'.repeat(255) : '' };
    this.recorded.push({ event, micros: Math.max(this.#clock, this.log.reached) });
    this.log.record(event, () => this.#clock);
  }

  cut(last = false): void {
    // The wall clock may stand still.
    this.#clock += this.recorded.length % 3 === 0 ? 0 : 7_000;
    this.log.cut(this.#clock, last);
  }

  send(): void {
    const batch = this.log.take();
    if (batch) this.onTheWay.push(batch);
  }

  conclude(outcome: 'confirm' | 'fail' | 'receive', at: number): void {
    const [batch] = this.onTheWay.splice(at % (this.onTheWay.length || 1), 1);
    if (!batch) return;
    if (outcome !== 'fail') this.held.push(batch);
    if (outcome === 'confirm') this.log.confirm(batch);
    else this.log.fail(batch);
  }

  restart(): void {
    const since = this.log.restartAt;
    this.log.restart({ publisher: `life-${++this.#lives}`, kind: 'app', since });
  }

  /** The broker is well again, and the publisher closes. */
  finish(): void {
    while (this.onTheWay.length > 0) this.conclude('confirm', 0);
    while (this.log.unsent > 0) this.sendAndConfirm();
    this.cut(true);
    while (this.log.unsent > 0) this.sendAndConfirm();
  }

  sendAndConfirm(): void {
    this.send();
    while (this.onTheWay.length > 0) this.conclude('confirm', 0);
  }

  do(one: Step): void {
    if (one.do === 'record') this.record(one.user, one.long);
    else if (one.do === 'record many') for (let at = 0; at < one.users; at++) this.record(at + 1);
    else if (one.do === 'cut') this.cut();
    else if (one.do === 'send') this.send();
    else if (one.do === 'restart') this.restart();
    else this.conclude(one.do, one.at);
  }
}

function played(steps: readonly Step[]): Play {
  const play = new Play();
  for (const one of steps) play.do(one);
  play.finish();
  return play;
}

function greatest(events: readonly ReportedEvent[]): Map<unknown, number> {
  const by = new Map<unknown, number>();
  for (const { user, occurredAt } of events) {
    by.set(user, Math.max(by.get(user) ?? -1, occurredAt));
  }
  return by;
}

describe('The log of a publisher’s batches', () => {
  it('loses no user’s greatest event, whatever is lost, repeated or confirmed too late', () => {
    fc.assert(
      fc.property(fc.array(step, { maxLength: 40 }), (steps) => {
        const { held, recorded, log } = played(steps);
        const arrived = greatest(held.flatMap(({ events }) => events));
        expect(arrived).to.deep.equal(greatest(recorded.map(({ event }) => event)));
        expect([log.unsent, log.inFlight, log.oldest]).to.deep.equal([0, 0, null]);
      }),
      { numRuns: 60 },
    );
  });

  it('leaves no gap between the intervals of a life, once the broker is well again', () => {
    fc.assert(
      fc.property(fc.array(step, { maxLength: 40 }), (steps) => {
        const { held } = played(steps);
        const lives = [...new Set(held.map(({ progress }) => progress.publisher))];
        const last = held.filter(({ progress }) => progress.publisher === lives.at(-1));
        expectNoGap(last.map(({ progress }) => progress));
        expect(last.some(({ progress }) => progress.last)).to.equal(true);
      }),
      { numRuns: 60 },
    );
  });

  it('claims an interval only where it, or what is settled without a gap, holds its events', () => {
    const noRestart = fc
      .array(step, { maxLength: 40 })
      .map((steps) => steps.filter((one) => one.do !== 'restart'));
    fc.assert(
      fc.property(noRestart, fc.infiniteStream(fc.nat()), (steps, order) => {
        const { held, recorded } = played(steps);
        const settled: Batch[] = [];
        const waiting = [...held];
        while (waiting.length > 0) {
          const [next] = waiting.splice((order.next().value ?? 0) % waiting.length, 1);
          settled.push(next!);
          const reached = reachedBy(settled);
          // As-of counts in milliseconds; a sliver is less.
          const before = Math.floor(reached / 1_000);
          const due = recorded
            .filter(({ micros }) => Math.floor(micros / 1_000) < before)
            .map(({ event }) => event);
          const there = greatest(settled.flatMap(({ events }) => events));
          for (const [user, time] of greatest(due)) {
            expect(there.get(user) ?? -1).to.be.at.least(time);
          }
        }
      }),
      { numRuns: 40 },
    );
  });

  it('is full when as many users as a message holds have an event, however many events each', () => {
    const log = new BatchLog({ publisher: 'p', kind: 'app', since: 0 });
    const fill = (users: number) => {
      for (let at = 0; at < users * 3; at++) log.record(heartbeat((at % users) + 1, at), () => 0);
      return log.full;
    };
    expect(fill(999)).to.equal(false);
    expect(fill(1_000)).to.equal(true);
    log.cut(1_000);
    expect(log.full).to.equal(false);
    expect(log.take()!.events).to.have.length(1_000);
  });

  it('keeps the time of the oldest event until that is confirmed', () => {
    const log = new BatchLog({ publisher: 'p', kind: 'app', since: 0 });
    log.record(heartbeat(1), () => 100);
    log.record(heartbeat(2), () => 200);
    expect(log.oldest).to.equal(100);
    log.cut(1_000);
    log.record(heartbeat(3), () => 300);
    const batch = log.take()!;
    expect(log.oldest).to.equal(100);
    log.fail(batch);
    expect(log.oldest).to.equal(100);
    log.confirm(log.take()!);
    expect(log.oldest).to.equal(300);
  });

  it('does not take the confirmation of a life that is over for one of the next', () => {
    const log = new BatchLog({ publisher: 'p', kind: 'app', since: 0 });
    log.record(heartbeat(1), () => 100);
    log.cut(1_000);
    const batch = log.take()!;
    log.restart({ publisher: 'q', kind: 'app', since: log.restartAt });
    expect(log.confirm(batch)).to.equal(false);
    expect(log.oldest).to.equal(100);
    log.cut(2_000);
    expect(log.take()!.events).to.have.length(1);
  });
});

/** How far the intervals of what is settled reach without a gap. */
function reachedBy(settled: readonly Batch[]): number {
  const intervals = settled.map(({ progress }) => progress).sort((a, b) => a.from - b.from);
  let reached = 1_000;
  for (const { from, through } of intervals) {
    if (from <= reached) reached = Math.max(reached, through);
  }
  return reached;
}
