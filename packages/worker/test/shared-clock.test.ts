import { expect } from 'chai';
import { SharedClock } from '../dist/shared-clock.js';

const NOW = Date.UTC(2024, 0, 15);
/** What a test takes at the most. */
const A_WHILE = 1_000;

describe('A clock beside that of the database', () => {
  it('is the own one until the other has been heard, and of nothing says that it is over', () => {
    const clock = new SharedClock(() => NOW);
    expect(clock.now).to.equal(NOW);
    expect(clock.latest).to.equal(NOW);
    expect(clock.earliest).to.equal(undefined);
  });

  it('goes by the other one, by the later for what has happened, by the earlier for what is over', () => {
    for (const off of [-60_000, 60_000]) {
      const clock = new SharedClock(() => NOW + off);
      clock.heard(NOW, performance.now());
      expect(clock.now).to.be.within(NOW, NOW + A_WHILE);
      const [earlier, later] = [Math.min(0, off), Math.max(0, off)];
      expect(clock.latest).to.be.within(NOW + later, NOW + later + A_WHILE);
      expect(clock.earliest).to.be.within(NOW + earlier, NOW + earlier + A_WHILE);
    }
  });

  it('goes on between two looks', () => {
    const clock = new SharedClock(() => 0);
    clock.heard(NOW, performance.now() - 5_000);
    expect(clock.latest).to.be.within(NOW + 5_000, NOW + 5_000 + A_WHILE);
  });
});
