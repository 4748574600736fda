import { expect } from 'chai';
import { ratioOf } from '../dist/src/contest.js';
import { isSteady, quantile, spreadOf } from '../dist/src/statistics.js';

describe('The statistics of a benchmark', () => {
  it('find the median and the quartiles, between neighbours in proportion', () => {
    expect(spreadOf([5, 1, 3, 2, 4])).to.deep.equal({ median: 3, lower: 2, upper: 4 });
    expect(spreadOf([1, 2])).to.deep.equal({ median: 1.5, lower: 1.25, upper: 1.75 });
    expect(quantile([1, 2, 3, 4], 0.99)).to.be.closeTo(3.97, 1e-9);
    const never = Number.POSITIVE_INFINITY;
    expect(quantile([1, never, never], 0.75)).to.equal(never);
  });

  it('know of no numbers no median', () => {
    expect(spreadOf([]).median).to.be.NaN;
  });

  it('trust rates whose quartiles lie within a tenth of the median', () => {
    expect(isSteady({ median: 1, lower: 0.9, upper: 1.1 })).to.equal(true);
    expect(isSteady({ median: 1, lower: 0.9, upper: 1.11 })).to.equal(false);
    expect(isSteady({ median: 1, lower: 0.89, upper: 1 })).to.equal(false);
  });

  it('pair rounds: what slows both of a round changes no ratio', () => {
    const ours = [10, 20, 5].map((perSecond) => ({ perSecond, cpu: 30 }));
    const theirs = [20, 40, 10].map((perSecond) => ({ perSecond, cpu: 10 }));
    expect(ratioOf(ours, theirs)).to.deep.equal({
      median: 0.5,
      lower: 0.5,
      upper: 0.5,
      by: 'rate',
    });
  });

  it('let processor time decide where rates swing', () => {
    const ours = [10, 20, 40].map((perSecond) => ({ perSecond, cpu: 30 }));
    const theirs = [20, 20, 20].map((perSecond) => ({ perSecond, cpu: 15 }));
    expect(ratioOf(ours, theirs)).to.deep.equal({ median: 0.5, lower: 0.5, upper: 0.5, by: 'CPU' });
  });
});
