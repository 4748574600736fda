import { expect } from 'chai';
import { WorkerHealth } from '../dist/health.js';

const BOTH = { database: true, broker: true };

describe('The health of a worker', () => {
  it('tells how far events have been processed, once that is known', () => {
    const progress = { asOf: Date.UTC(2024, 0, 15), lag: 1_500 };
    const observed = { reached: BOTH, hasStarted: true, progress };
    expect(new WorkerHealth(observed).report()).to.deep.equal({
      unready: false,
      report: { status: 'ok', as_of: '2024-01-15T00:00:00.000Z', as_of_lag_seconds: 1.5 },
    });
    const young = { reached: BOTH, hasStarted: false, progress: undefined };
    expect(new WorkerHealth(young).report()).to.deep.equal({
      unready: true,
      report: { status: 'starting' },
    });
  });

  it('is of use with one dependency away, not with both', () => {
    const observed = { hasStarted: true, progress: undefined };
    const away = { ...observed, reached: { ...BOTH, broker: false } };
    expect(new WorkerHealth(away).report().unready).to.equal(false);
    const alone = { ...observed, reached: { database: false, broker: false } };
    expect(new WorkerHealth(alone).report().report).to.deep.equal({
      status: 'unable',
      missing: ['broker', 'database'],
    });
  });
});
