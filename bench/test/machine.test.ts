import { expect } from 'chai';
import { randomCycle } from '../dist/src/machine.js';

describe('A random cycle', () => {
  it('comes through every place, and back, whatever chance has it', () => {
    for (let time = 0; time < 100; time++) {
      const next = randomCycle(50);
      const seen = new Set<number>();
      let place = 0;
      do {
        place = next[place]!;
        seen.add(place);
      } while (place !== 0 && seen.size <= 50);
      expect(seen.size).to.equal(50);
    }
  });
});
