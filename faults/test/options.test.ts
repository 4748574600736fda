import { expect } from 'chai';
import { faultOptions, UsageError } from '../dist/options.js';

describe('The options of npm run faults', () => {
  it('are, without any, all cases at their full length', () => {
    expect(faultOptions([])).to.include({ only: null, hasten: 1, random: null, json: false });
  });

  it('name cases, shorten outages, and take random faults for a time', () => {
    expect(faultOptions(['--only', '6,7']).only).to.deep.equal([6, 7]);
    expect(faultOptions(['--random', '30m', '--seed', '7'])).to.include({
      random: 1_800_000,
      seed: 7,
    });
    expect(faultOptions(['--hasten', '20']).hasten).to.equal(20);
  });

  it('refuse what makes no sense', () => {
    for (const args of [['--only', 'x'], ['--random', '30'], ['--seed', '0'], ['--what']]) {
      expect(() => faultOptions(args), args.join(' ')).to.throw(UsageError);
    }
  });
});
