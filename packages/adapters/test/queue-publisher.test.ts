import { setTimeout as wait } from 'node:timers/promises';
import type { LeaseStore, Progress, ReportedEvent } from '@presence/domain';
import { eventually } from '@presence/test-services';
import { expect } from 'chai';
import type { Batch } from '../dist/publishing/batch-log.js';
import { QueueGone } from '../dist/publishing/outlet.js';
import { QueuePublisher } from '../dist/publishing/queue-publisher.js';
import { expectNoGap, heartbeat } from './queue-contract.js';

/** A queue that confirms when it is told to. */
class Outlet {
  connected = true;
  ready = true;
  /** What becomes of a batch; `null`: nobody knows yet. */
  answer: ((batch: Batch) => Promise<void>) | null = () => Promise.resolve();
  readonly sent: Batch[] = [];
  #listener = () => {};

  onReady(listener: () => void): void {
    this.#listener = listener;
  }

  sendBatch(batch: Batch): Promise<void> {
    this.sent.push(batch);
    return this.answer?.(batch) ?? new Promise(() => {});
  }

  submit(): Promise<never> {
    return Promise.reject(new Error('not asked'));
  }

  /** The queue turns out to be gone, and is there again. */
  loseOnce(): void {
    this.answer = () => {
      this.answer = () => Promise.resolve();
      return Promise.reject(new QueueGone());
    };
  }

  /** `connection.blocked` and a full socket look the same. */
  set stopped(stopped: boolean) {
    this.ready = !stopped;
    if (this.ready) this.#listener();
  }

  get progress(): Progress[] {
    return this.sent.map(({ progress }) => progress);
  }

  get events(): number {
    return this.sent.reduce((sum, { events }) => sum + events.length, 0);
  }
}

/** Leases that the test gives and takes. */
class Leases implements LeaseStore {
  known = new Set<string>();
  readonly registered: string[] = [];
  /** How many releases fail, and what a renewal waits for after it has been decided. */
  failing = 0;
  renewal = Promise.resolve();
  async register(publisher: string, _: string, since: number): Promise<number> {
    this.registered.push(publisher);
    this.known.add(publisher);
    return since;
  }
  async renew(publisher: string): Promise<boolean> {
    await this.renewal;
    return this.known.has(publisher);
  }
  async release(publisher: string): Promise<void> {
    if (this.failing-- > 0) throw new Error('The database is away.');
    this.known.delete(publisher);
  }
}

describe('A publisher', () => {
  let outlet: Outlet;
  let publisher: QueuePublisher;

  beforeEach(() => {
    outlet = new Outlet();
  });
  afterEach(() => publisher.close(0));

  it('takes no event that cannot be written: nothing that is recorded beside it is lost', async () => {
    publisher = new QueuePublisher(outlet);
    publisher.record(heartbeat(1));
    const wrong: Readonly<Record<string, readonly unknown[]>> = {
      occurredAt: [Number.NaN, 9e15, '2024-01-15T10:30:00Z', undefined, null],
      user: ['7', 7n, 0, 1.5, null, undefined, {}, { issuer: 'a', subject: 7 }, { subject: 'b' }],
      sessionId: [7, 7n, null, undefined],
      username: [7, 7n, null],
      status: ['offline', 7n, undefined],
      type: ['login', 'status_set', 7n, undefined],
    };
    for (const [field, values] of Object.entries(wrong)) {
      for (const value of values) {
        const event = { ...heartbeat(1), [field]: value } as ReportedEvent;
        expect(() => publisher.record(event), field).to.throw(TypeError, field);
      }
    }
    await publisher.close(1_000);
    expect(outlet.events).to.equal(1);
  });

  it('tells how many events it has taken, before folding', async () => {
    let taken = 0;
    const recorded = (events: number) => {
      taken += events;
    };
    publisher = new QueuePublisher(outlet, { metrics: { recorded } });
    for (let at = 0; at < 2_500; at++) publisher.record(heartbeat((at % 3) + 1, at));
    await eventually(() => outlet.events > 0);
    expect([taken, outlet.events]).to.deep.equal([2_500, 3]);
  });

  it('sends nothing while the queue takes nothing, and all of it at once then', async () => {
    publisher = new QueuePublisher(outlet);
    await eventually(() => outlet.sent.length > 0);
    outlet.stopped = true;
    const before = outlet.sent.length;
    for (let user = 1; user <= 10; user++) publisher.record(heartbeat(user));
    await wait(50);
    expect(outlet.sent).to.have.length(before);
    outlet.stopped = false;
    await eventually(() => outlet.events === 10);
    expectNoGap(outlet.progress);
  });

  it('keeps no more than so many batches on their way, and folds meanwhile', async () => {
    outlet.answer = null;
    publisher = new QueuePublisher(outlet);
    for (let round = 0; round < 40; round++) {
      for (let user = 1; user <= 1_000; user++) publisher.record(heartbeat(user, round));
      await new Promise(setImmediate);
    }
    expect(outlet.sent).to.have.length(32);
    outlet.answer = () => Promise.resolve();
  });

  it('promises nothing once its oldest unconfirmed event is older than the horizon', async () => {
    outlet.answer = null;
    publisher = new QueuePublisher(outlet, { horizon: 100 });
    publisher.record(heartbeat(1));
    expect(publisher.accepting).to.equal(true);
    await eventually(() => !publisher.accepting);
    outlet.answer = () => Promise.resolve();
  });

  it('sends again what the queue refused', async () => {
    let refusals = 3;
    outlet.answer = () =>
      refusals-- > 0 ? Promise.reject(new Error('nacked')) : Promise.resolve();
    publisher = new QueuePublisher(outlet);
    publisher.record(heartbeat(1));
    await eventually(() => outlet.sent.length >= 4);
    await publisher.close(1_000);
    expectNoGap(outlet.progress);
    expect(outlet.progress.at(-1)?.last).to.equal(true);
  });

  it('ticks when its clock begins a second, whenever it began itself', async () => {
    const ahead = 500 - (Date.now() % 1_000);
    publisher = new QueuePublisher(outlet, { clock: () => Date.now() + ahead });
    await eventually(() => outlet.sent.length >= 4);
    const ticks = outlet.progress.slice(1).map(({ through }) => through / 1_000);
    expect(Math.min(...ticks.map((at) => at % 1_000))).to.be.below(250);
    expect(ticks.at(-1)! - ticks[0]!).to.be.above(1_500);
    expectNoGap(outlet.progress);
  });

  it('registers before it sends, and begins anew where its lease is gone', async () => {
    const leases = new Leases();
    publisher = new QueuePublisher(outlet, { leases });
    await eventually(() => outlet.sent.length > 0);
    const [first] = leases.registered;
    expect(outlet.sent[0]?.progress.publisher).to.equal(first);
    leases.known.clear();
    await eventually(() => leases.registered.length === 2, { within: 8_000 });
    const second = leases.registered[1]!;
    await eventually(() => outlet.progress.some((each) => each.publisher === second));
    expectNoGap(outlet.progress);
  });

  it('begins anew, and lets go of its old name, where the queue itself is gone', async () => {
    const leases = new Leases();
    publisher = new QueuePublisher(outlet, { leases });
    await eventually(() => outlet.sent.length > 0);
    outlet.loseOnce();
    publisher.record(heartbeat(1));
    await eventually(() => leases.registered.length === 2);
    const [first, second] = leases.registered as [string, string];
    const ofSecond = () => outlet.sent.filter(({ progress }) => progress.publisher === second);
    await eventually(() => ofSecond().some(({ events }) => events.length === 1));
    expect([...leases.known]).to.deep.equal([second]);
    expect(ofSecond()[0]?.progress.since).to.be.above(0);
    expect(first).not.to.equal(second);
  });

  it('lets go of its old name later where the database does not answer', async () => {
    const leases = new Leases();
    publisher = new QueuePublisher(outlet, { leases });
    await eventually(() => outlet.sent.length > 0);
    leases.failing = 1;
    outlet.loseOnce();
    publisher.record(heartbeat(1));
    await eventually(() => leases.registered.length === 2);
    expect([...leases.known]).to.deep.equal(leases.registered);
    await eventually(() => leases.known.size === 1, { within: 8_000 });
    expect([...leases.known]).to.deep.equal([leases.registered[1]]);
  });

  it('lets go of its old name where the database renews what had lapsed', async () => {
    const leases = new Leases();
    publisher = new QueuePublisher(outlet, { leases });
    await eventually(() => outlet.sent.length > 0);
    outlet.stopped = true;
    const { now } = performance;
    try {
      performance.now = () => now.call(performance) + 59_000;
      await eventually(() => leases.registered.length === 2, { within: 8_000 });
      await eventually(() => leases.known.size === 1);
    } finally {
      performance.now = now;
    }
    expect([...leases.known]).to.deep.equal([leases.registered[1]]);
  });

  it('does not take for its own what a late renewal says of its old name', async () => {
    const leases = new Leases();
    publisher = new QueuePublisher(outlet, { leases });
    let answer = () => {};
    leases.renewal = new Promise((resolve) => {
      answer = resolve;
    });
    let asked = 0;
    const { renew } = leases;
    leases.renew = (name) => {
      asked++;
      return renew.call(leases, name);
    };
    await eventually(() => asked === 1, { within: 8_000 });
    outlet.loseOnce();
    publisher.record(heartbeat(1));
    await eventually(() => leases.registered.length === 2 && leases.known.size === 1);
    answer();
    const { length } = outlet.sent;
    await eventually(() => outlet.sent.length > length + 1);
    expect(leases.registered).to.have.lengthOf(2);
  });

  it('registers later with the beginning that its messages tell', async () => {
    const leases = new Leases();
    const said: number[] = [];
    leases.register = async (_publisher, _kind, since) => {
      said.push(since);
      if (said.length === 1) throw new Error('The database is away.');
      return since;
    };
    publisher = new QueuePublisher(outlet, { leases });
    await eventually(() => said.length === 2, { within: 8_000 });
    const [first] = outlet.progress;
    expect(outlet.progress.at(-1)!.from).to.be.above(first!.since);
    expect(said).to.deep.equal([first!.since, first!.since]);
  });

  it('begins where the database does not answer', async () => {
    const never = () => new Promise<never>(() => {});
    publisher = new QueuePublisher(outlet, {
      leases: { register: never, renew: never, release: never },
    });
    publisher.record(heartbeat(1));
    await eventually(() => outlet.events === 1);
  });
});
