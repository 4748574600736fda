import { expect } from 'chai';
import { CASES } from '../dist/cases/index.js';
import { runCase } from '../dist/lane.js';
import { System } from '../dist/system.js';

/** The others take longer than anybody waits for tests: `npm run faults` runs all. */
describe('What clients were promised outlives', function () {
  this.timeout(120_000);
  let system: System;

  before(async () => {
    system = await System.start();
  });

  after(() => system?.stop());

  for (const fault of CASES.filter(({ short }) => short)) {
    it(`${fault.fault} (case ${fault.number})`, async () => {
      const quiet = { seed: 1, hasten: 1, brief: true, sink: () => {}, say: () => {} };
      const { findings, misses } = await runCase(fault, system, quiet);
      expect([...misses, ...findings]).to.deep.equal([]);
    });
  }
});
