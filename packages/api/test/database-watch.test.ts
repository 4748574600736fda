import { mock } from 'node:test';
import { type SessionStore, Unavailable } from '@presence/domain';
import { expect } from 'chai';
import fc from 'fast-check';
import { pino } from 'pino';
import { DatabaseWatch } from '../dist/database-watch.js';
import { EndedSessions } from '../dist/ended-sessions.js';

/** Of the second within which an ended session's tokens are refused, what a look itself may take. */
const SPARE = 300;

describe('The watch over the database', () => {
  beforeEach(() => mock.timers.enable({ apis: ['setTimeout', 'Date'] }));
  afterEach(() => mock.timers.reset());

  function watchOf(endedSince: SessionStore['endedSince']): DatabaseWatch {
    const logger = pino({ level: 'silent' });
    const parts = { ended: new EndedSessions(), logger, now: Date.now };
    return new DatabaseWatch({ ...parts, sessions: { endedSince } });
  }

  async function pass(millis: number): Promise<void> {
    for (let passed = 0; passed < millis; passed++) {
      mock.timers.tick(1);
      for (let turn = 0; turn < 5; turn++) await Promise.resolve();
    }
  }

  /** When it looks within some seconds, from `start` on; each look takes `duration`. */
  async function looksFrom(start: number, duration: number): Promise<number[]> {
    mock.timers.setTime(start);
    const looks: number[] = [];
    const endedSince = async () => {
      looks.push(Date.now());
      await new Promise((resolve) => setTimeout(resolve, duration));
      return { ended: [], cursor: '', asOf: start, now: start };
    };
    const watch = watchOf(endedSince);
    void watch.start();
    await pass(4_000);
    watch.stop();
    return looks;
  }

  /** What becomes of a question that is asked after a while in which looks end in that way. */
  async function askedAfter(look: () => Promise<never>): Promise<string> {
    const watch = watchOf(look);
    const port = watch.guard({ read: async () => 'asked' });
    void watch.start();
    await pass(6_000);
    const told = await port.read().catch((error: unknown) => (error as Error).name);
    watch.stop();
    return told;
  }

  it('has a database asked that says no, however long, so that the first question counts when it is back', async () => {
    expect(await askedAfter(() => Promise.reject(new Unavailable('database')))).to.equal('asked');
  });

  it('gives up who has waited for long, whatever the looks are told', async () => {
    const watch = watchOf(() => Promise.reject(new Unavailable('database')));
    const port = watch.guard({ read: () => new Promise(() => {}) });
    void watch.start();
    await pass(1_000);
    const told = port.read().catch((error: unknown) => (error as Error).name);
    await pass(3_000);
    expect(await Promise.race([told, 'still waiting'])).to.equal('Unavailable');
    watch.stop();
  });

  it('leaves who has only just asked a database that says no the time to be answered', async () => {
    const watch = watchOf(() => Promise.reject(new Unavailable('database')));
    let answer = (_: string) => {};
    const port = watch.guard({ read: () => new Promise((resolve) => (answer = resolve)) });
    void watch.start();
    await pass(2_950);
    const told = port.read().catch((error: unknown) => (error as Error).name);
    await pass(100); // It has been away for three seconds, and is back.
    answer('answered');
    expect(await told).to.equal('answered');
    watch.stop();
  });

  it('has none asked that says nothing', async () => {
    expect(await askedAfter(() => new Promise(() => {}))).to.equal('Unavailable');
  });

  it('looks as a second begins, when the publisher is awake, and once more before the next', async () => {
    const [, ...looks] = await looksFrom(1_700_000_000_321, 5);
    const phases = looks.map((look) => look % 1_000);
    expect(phases).to.deep.equal([500, 0, 500, 0, 500, 0, 500, 0]);
  });

  it('looks soon enough for a second, whenever it began, and no more than twice in one', async function () {
    this.timeout(60_000);
    const start = fc.integer({ min: 1_700_000_000_000, max: 1_700_000_001_000 });
    await fc.assert(
      fc.asyncProperty(start, fc.integer({ min: 1, max: 60 }), async (at, duration) => {
        const looks = await looksFrom(at, duration);
        const pauses = looks.slice(1).map((look, before) => look - looks[before]!);
        expect(Math.max(...pauses) + duration).to.be.below(1_000 - SPARE);
        expect(looks).to.have.length.at.most(9);
      }),
      { numRuns: 100 },
    );
  });
});
