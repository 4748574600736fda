import { expect } from 'chai';
import { randomCycle, unsteadinessOf } from '../dist/src/machine.js';

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

describe('The unsteadiness of a machine', () => {
  it('is nothing where every piece takes about as long', () => {
    const took = Array.from({ length: 100 }, (_, at) => (at % 2 === 0 ? 1 : 1.9));
    expect(unsteadinessOf(took)).to.deep.equal({ share: 0, longest: 0 });
  });

  it('counts neighbouring slow pieces as one phase, at the end, too, and short ones not', () => {
    const fast = Array(30).fill(1);
    const took = [...fast, 3, 3, 3, ...fast, 4, ...fast, 2.5, 2.5];
    expect(unsteadinessOf(took)).to.deep.equal({ share: 14 / 108, longest: 9 });
  });
});
