import { mock } from 'node:test';
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

  /** When it looks within some seconds, from `start` on; each look takes `duration`. */
  async function looksFrom(start: number, duration: number): Promise<number[]> {
    mock.timers.setTime(start);
    const looks: number[] = [];
    const endedSince = async () => {
      looks.push(Date.now());
      await new Promise((resolve) => setTimeout(resolve, duration));
      return { ended: [], cursor: '', asOf: start, now: start };
    };
    const watch = new DatabaseWatch({
      sessions: { endedSince },
      ended: new EndedSessions(),
      logger: pino({ level: 'silent' }),
      now: Date.now,
    });
    void watch.start();
    for (let passed = 0; passed < 4_000; passed++) {
      mock.timers.tick(1);
      for (let turn = 0; turn < 5; turn++) await Promise.resolve();
    }
    watch.stop();
    return looks;
  }

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
