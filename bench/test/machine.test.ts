import { expect } from 'chai';
import { processorTime, stolenSince } from '../dist/src/machine.js';

describe('The machine of a benchmark', () => {
  it('tells which part of its processors others had', () => {
    const then = processorTime('cpu  100 0 50 800 10 0 5 35 0 0\ncpu0 1 1 1 1\n');
    const now = processorTime('cpu  150 5 70 900 10 1 9 55 99 99\n');
    expect(then).to.deep.equal({ all: 1_000, stolen: 35 });
    expect(stolenSince(then, now)).to.be.closeTo(0.1, 1e-9);
    expect(stolenSince(now, now)).to.equal(0);
  });
});
