import { expect } from 'chai';
import { MEASUREMENTS } from '../dist/src/measurements/index.js';
import { benchOptions, chosen, UsageError } from '../dist/src/options.js';

describe('The options of npm run bench', () => {
  it('are, without any, every measurement with 100,000 people', () => {
    const options = benchOptions([]);
    expect(options).to.include({ quick: false, people: 100_000, only: null, json: false });
    expect(chosen(MEASUREMENTS, options)).to.equal(MEASUREMENTS);
  });

  it('name measurements, and take fewer people for a quick look', () => {
    const options = benchOptions(['--only', 'idle, road', '--quick']);
    expect(options.people).to.equal(20_000);
    expect(chosen(MEASUREMENTS, options).map(({ name }) => name)).to.deep.equal(['road', 'idle']);
  });

  it('refuse what makes no sense', () => {
    expect(() => benchOptions(['--fast'])).to.throw(UsageError, /--fast/);
    expect(() => benchOptions(['--people', '3'])).to.throw(UsageError, /--people takes/);
    const options = benchOptions(['--only', 'lunch']);
    expect(() => chosen(MEASUREMENTS, options)).to.throw(UsageError, /no measurement lunch/);
  });
});
