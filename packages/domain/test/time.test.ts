import { expect } from 'chai';
import fc from 'fast-check';
import { untilPastSecond } from '../dist/time.js';

const RUNS = { numRuns: 10_000 };
const moment = fc.integer({ min: 1_000, max: 4_102_444_800_000 });
const past = fc.integer({ min: 0, max: 999 });

describe('The wait for a moment of the next second', () => {
  it('ends at that moment, within a second or hardly more', () => {
    fc.assert(
      fc.property(moment, past, (now, at) => {
        const wait = untilPastSecond(at, now);
        expect((now + wait) % 1_000).to.equal(at);
        expect(wait).to.be.within(25, 1_024);
      }),
      RUNS,
    );
  });

  it('is a whole second where a timer has fired a little early', () => {
    fc.assert(
      fc.property(moment, past, fc.integer({ min: 0, max: 24 }), (now, at, early) => {
        const due = now + untilPastSecond(at, now);
        expect(untilPastSecond(at, due - early)).to.equal(1_000 + early);
      }),
      RUNS,
    );
  });
});
