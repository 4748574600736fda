import { expect } from 'chai';
import { STUDIES, TABLE } from '../dist/src/measurements/index.js';
import { benchOptions, chosen, type Options, UsageError } from '../dist/src/options.js';

describe('The options of npm run bench', () => {
  const names = (options: Options) => chosen(TABLE, STUDIES, options).map(({ name }) => name);

  it('are, without any, the table with 100,000 people', () => {
    const options = benchOptions([]);
    expect(options).to.include({ quick: false, people: 100_000, only: null, json: false });
    expect(names(options)).to.include('heartbeats').and.not.include('batches');
  });

  it('add the studies where all is asked for', () => {
    expect(names(benchOptions(['--all']))).to.include.members(['heartbeats', 'batches']);
  });

  it('take the first two for a quick look', () => {
    expect(names(benchOptions(['--quick']))).to.deep.equal(['heartbeats', 'road']);
  });

  it('name measurements, and take fewer people for a quick look', () => {
    const options = benchOptions(['--only', 'idle, road, batches', '--quick']);
    expect(options.people).to.equal(20_000);
    expect(names(options)).to.deep.equal(['road', 'idle', 'batches']);
  });

  it('refuse what makes no sense', () => {
    expect(() => benchOptions(['--fast'])).to.throw(UsageError, /--fast/);
    expect(() => benchOptions(['--people', '3'])).to.throw(UsageError, /--people takes/);
    expect(() => benchOptions(['--all', '--only', 'idle'])).to.throw(UsageError, /not both/);
    const options = benchOptions(['--only', 'lunch']);
    expect(() => names(options)).to.throw(UsageError, /no measurement lunch/);
  });
});
