import { writeFileSync } from 'node:fs';
import { HELP, type Options, simulatorOptions, UsageError } from './options.js';
import { simulateReal } from './real.js';
import {
  avoidableSeconds,
  realJson,
  realText,
  reportJson,
  reportText,
  summaryText,
} from './report.js';
import type { Scenario } from './scenario.js';
import { type Result, simulate } from './simulation.js';
import { timeline } from './timeline.js';

const PROGRESS_EVERY = 1_000;

async function main(args: readonly string[]): Promise<number> {
  const options = simulatorOptions(args);
  if (options.help) {
    process.stdout.write(HELP);
    return 0;
  }
  if (options.realUsers !== null) return runReal(options.realUsers, options);
  const results = options.scenarios.map((scenario) => run(scenario, options));
  if (options.json) process.stdout.write(`${JSON.stringify(results.map(reportJson), null, 2)}\n`);
  else if (results.length > 1) process.stdout.write(summaryText(results));
  if (options.svg !== null) draw(options.svg, results[0]!);
  return results.every(({ real }) => avoidableSeconds(real) === 0) ? 0 : 1;
}

async function runReal(users: number, { seed, json }: Options): Promise<number> {
  const result = await simulateReal(users, seed, (text) => process.stderr.write(`${text}\n`));
  process.stdout.write(json ? `${JSON.stringify(realJson(result), null, 2)}\n` : realText(result));
  return avoidableSeconds(result.real) === 0 ? 0 : 1;
}

function run(scenario: Scenario, { seed, json }: Options): Result {
  const began = performance.now();
  const result = simulate(scenario, seed, { progress: progress(scenario.name) });
  const took = performance.now() - began;
  if (!json) process.stdout.write(`${reportText(result, took)}\n`);
  return result;
}

/** A line that stays on a terminal; lines of their own, more rarely, in a log. */
function progress(name: string): (part: number) => void {
  const { isTTY } = process.stderr;
  const every = isTTY ? PROGRESS_EVERY / 4 : PROGRESS_EVERY * 10;
  let told = performance.now();
  return (part) => {
    if (isTTY && part === 1) process.stderr.write('\r\u001b[K');
    if (performance.now() - told < every || part === 1) return;
    told = performance.now();
    const text = `${name}: ${Math.round(part * 100)} %`;
    process.stderr.write(isTTY ? `\r${text}` : `${text}\n`);
  };
}

function draw(file: string, result: Result): void {
  writeFileSync(file, timeline(result));
  process.stderr.write(`Timeline: ${file}\n`);
}

try {
  process.exitCode = await main(process.argv.slice(2));
} catch (error) {
  if (!(error instanceof UsageError)) throw error;
  process.stderr.write(`${error.message}\n\n${HELP}`);
  process.exitCode = 2;
}
