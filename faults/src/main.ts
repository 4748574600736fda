import { CASES } from './cases/index.js';
import { BESIDE, type FaultCase } from './fault-case.js';
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

/**
 * One lane after the other, so that what is measured is the service and not the machine; beside
 * them the one case that is long and light, which takes longer than all others together.
 */
async function runCases(
  faults: readonly FaultCase[],
  options: RunOptions,
): Promise<readonly CaseResult[]> {
  const [beside, inTurn] = [lanesOf(faults, true), lanesOf(faults, false)];
  const results = await Promise.all([
    ...beside.map((lane) => runLane(lane, options)),
    runInTurn(inTurn, options),
  ]);
  return results.flat().sort((a, b) => a.fault.number - b.fault.number);
}

async function runInTurn(
  lanes: readonly (readonly FaultCase[])[],
  options: RunOptions,
): Promise<readonly CaseResult[]> {
  const results: CaseResult[] = [];
  for (const lane of lanes) results.push(...(await runLane(lane, options)));
  return results;
}

/** Cases that share servers, each lane in order of number. */
function lanesOf(faults: readonly FaultCase[], beside: boolean): FaultCase[][] {
  const these = faults.filter((fault) => (fault.lane === BESIDE) === beside);
  const names = new Set(these.map(({ lane }) => lane ?? 'main'));
  return [...names].map((name) => these.filter(({ lane = 'main' }) => lane === name));
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
