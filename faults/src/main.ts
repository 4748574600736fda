import { CASES } from './cases/index.js';
import type { FaultCase } from './fault-case.js';
import { type CaseResult, held, type RunOptions, runLane } from './lane.js';
import { ledgerFile } from './ledger.js';
import { faultOptions, HELP, type Options, UsageError } from './options.js';
import { randomFaults } from './random.js';
import { reportJson, reportText } from './report.js';

async function main(args: readonly string[]): Promise<number> {
  const options = faultOptions(args);
  if (options.help || options.list) {
    process.stdout.write(options.help ? HELP : listText());
    return 0;
  }
  const ledger = ledgerFile(options.ledger);
  const results = await runCases(chosen(options), { ...options, sink: ledger.sink, say });
  await ledger.close();
  tell(results, options);
  return results.every(held) ? 0 : 1;
}

/** @throws UsageError */
function chosen({ only, random, ...options }: Options): readonly FaultCase[] {
  if (random !== null) return [randomFaults({ ...options, random })];
  if (only === null) return CASES;
  return only.map((number) => {
    const found = CASES.find((fault) => fault.number === number);
    if (found === undefined) throw new UsageError(`There is no case ${number}.`);
    return found;
  });
}

/** All lanes at once: the whole takes as long as the longest. */
async function runCases(
  faults: readonly FaultCase[],
  options: RunOptions,
): Promise<readonly CaseResult[]> {
  const names = new Set(faults.map(({ lane = 'main' }) => lane));
  const lanes = [...names].map((name) => faults.filter(({ lane = 'main' }) => lane === name));
  const results = await Promise.all(lanes.map((lane) => runLane(lane, options)));
  return results.flat().sort((a, b) => a.fault.number - b.fault.number);
}

function tell(results: readonly CaseResult[], { json, seed, hasten }: Options): void {
  const text = json
    ? `${JSON.stringify(reportJson(results, { seed, hasten }), null, 2)}\n`
    : reportText(results, hasten);
  process.stdout.write(text);
}

function listText(): string {
  return CASES.map(({ number, fault }) => `${String(number).padStart(2)}  ${fault}\n`).join('');
}

function say(text: string): void {
  process.stderr.write(`${new Date().toISOString().slice(11, 19)}  ${text}\n`);
}

try {
  process.exitCode = await main(process.argv.slice(2));
} catch (error) {
  if (!(error instanceof UsageError)) throw error;
  process.stderr.write(`${error.message}\n\n${HELP}`);
  process.exitCode = 2;
}
