import { expect } from 'chai';
import fc from 'fast-check';
import { Agenda } from '../dist/agenda.js';
import { Random } from '../dist/random.js';
import { day } from '../dist/scenario.js';
import { simulate } from '../dist/simulation.js';
import { timeline } from '../dist/timeline.js';

describe('The agenda', () => {
  it('gives out the earliest first, far off or near, while more is put in', () => {
    const steps = fc.array(fc.option(fc.integer({ min: 0, max: 400_000 })), { maxLength: 200 });
    fc.assert(
      fc.property(steps, (delays) => {
        const agenda = new Agenda();
        let waiting: number[] = [];
        let now = 0;
        for (const delay of delays) {
          if (delay !== null) {
            agenda.add(now + delay, 1, delay);
            waiting.push(now + delay);
            continue;
          }
          expect(agenda.next()).to.equal(waiting.length > 0);
          if (waiting.length === 0) continue;
          now = Math.min(...waiting);
          expect(agenda.time).to.equal(now);
          waiting = waiting.toSpliced(waiting.indexOf(now), 1);
        }
      }),
      { numRuns: 500 },
    );
  });
});

describe('The random numbers', () => {
  it('are the same for the same seed, on every machine', () => {
    const random = new Random(1);
    const first = Array.from({ length: 3 }, () => random.between(0, 999_999));
    expect(first).to.deep.equal([12_132, 819, 875_554]);
  });

  it('are spread evenly', () => {
    const random = new Random(2);
    const tenths = new Array<number>(10).fill(0);
    for (let draw = 0; draw < 100_000; draw++) tenths[Math.floor(random.next() * 10)]!++;
    for (const count of tenths) expect(count).to.be.within(9_500, 10_500);
  });

  it('wait as long as they should on average', () => {
    const random = new Random(3);
    let sum = 0;
    for (let draw = 0; draw < 100_000; draw++) sum += random.wait(1_000);
    expect(sum / 100_000).to.be.within(980, 1_020);
  });
});

describe('The timeline', () => {
  it('draws truth, both rules, and every fault, without a number that is none', () => {
    const scenario = { ...day(1), users: 50 };
    const svg = timeline(simulate(scenario, 1));
    expect(svg).to.match(/^<svg .*<\/svg>\n$/s);
    expect(svg).not.to.match(/NaN|undefined|Infinity/);
    for (const name of ['broker away', 'all workers away', 'Postgres away', 'really there']) {
      expect(svg).to.contain(name);
    }
  });
});
