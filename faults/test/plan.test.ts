import { expect } from 'chai';
import { FAULT_KINDS, planOf } from '../dist/plan.js';

const HALF_AN_HOUR = 1_800_000;

describe('A plan of random faults', () => {
  it('is the same for the same seed, and another for another', () => {
    expect(planOf(HALF_AN_HOUR, 7)).to.deep.equal(planOf(HALF_AN_HOUR, 7));
    expect(planOf(HALF_AN_HOUR, 7)).to.not.deep.equal(planOf(HALF_AN_HOUR, 8));
  });

  it('holds every kind within half an hour, one after the other, and ends in time', () => {
    for (let seed = 1; seed <= 20; seed++) {
      const plan = planOf(HALF_AN_HOUR, seed);
      expect(plan.length).to.be.above(80);
      let free = 0;
      for (const { at, lasts } of plan) {
        expect(at).to.be.above(free);
        free = at + lasts;
      }
      expect(free).to.be.at.most(HALF_AN_HOUR);
    }
    const kinds = new Set(
      [1, 2, 3].flatMap((seed) => planOf(HALF_AN_HOUR, seed)).map((f) => f.kind),
    );
    expect([...kinds]).to.have.members([...FAULT_KINDS]);
  });
});
