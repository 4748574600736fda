import { expect } from 'chai';
import { CASES } from '../dist/cases/index.js';
import { held, runCase } from '../dist/lane.js';
import { System } from '../dist/system.js';

/** The others take longer than anybody waits for tests: `npm run faults` runs all. */
describe('What clients were promised outlives', function () {
  this.timeout(120_000);
  let system: System | undefined;

  after(() => system?.stop());

  for (const fault of CASES.filter(({ short }) => short)) {
    it(`${fault.fault} (case ${fault.number})`, async () => {
      const quiet = { seed: 1, hasten: 1, brief: true, sink: () => {}, say: () => {} };
      system ??= await System.start();
      const result = await runCase(fault, system, quiet);
      if (!held(result)) {
        await system.discard();
        system = undefined; // What it left is no fault of the next.
      }
      const { findings, misses } = result;
      expect([...misses, ...findings]).to.deep.equal([]);
    });
  }
});
