import { expect } from 'chai';
import { HELP, simulatorOptions, UsageError } from '../dist/options.js';
import { SCENARIOS } from '../dist/scenario.js';

describe("The simulator's options", () => {
  it('mean 100,000 users over a day where nothing is said', () => {
    const { scenarios, seed, svg } = simulatorOptions([]);
    expect(scenarios).to.have.length(1);
    expect(scenarios[0]).to.include({ name: 'day', users: 100_000, hours: 24 });
    expect({ seed, svg }).to.deep.equal({ seed: 1, svg: 'simulation.svg' });
  });

  it('run every scenario, smaller, with "all", and draw nothing', () => {
    const { scenarios, svg } = simulatorOptions(['--scenario', 'all']);
    expect(scenarios.map(({ name }) => name)).to.deep.equal(SCENARIOS.map(({ name }) => name));
    expect(Math.max(...scenarios.map(({ users }) => users))).to.be.at.most(2_000);
    expect(svg).to.equal(null);
  });

  it('change size, length and seed', () => {
    const args = ['--scenario', 'broker', '--users', '10', '--hours', '2', '--seed', '9'];
    const { scenarios, seed } = simulatorOptions(args);
    expect(scenarios[0]).to.include({ name: 'broker', users: 10, hours: 2 });
    expect(seed).to.equal(9);
  });

  it('are refused where they make no sense', () => {
    for (const args of [
      ['--scenario', 'nowhere'],
      ['--users', '0'],
      ['--users', 'many'],
      ['--what'],
      ['surplus'],
      ['--scenario', 'all', '--svg', 'x.svg'],
    ]) {
      expect(() => simulatorOptions(args), args.join(' ')).to.throw(UsageError);
    }
  });

  it('are explained, with every scenario', () => {
    for (const { name } of SCENARIOS) expect(HELP).to.contain(name);
  });
});
