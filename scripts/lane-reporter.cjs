// Mocha's usual report, and what has failed once more in a file: of lanes that are printed one
// after the other, the failures of the first would stand far above the end.
const { appendFileSync } = require('node:fs');
const { reporters } = require('mocha');

module.exports = class LaneReporter extends reporters.Spec {
  epilogue() {
    super.epilogue();
    const failures = this.failures.map(
      (test) => `  ${test.fullTitle()}\n    ${test.err.message}\n`,
    );
    if (failures.length > 0) appendFileSync(process.env.FAILURES_FILE, failures.join(''));
  }
};
