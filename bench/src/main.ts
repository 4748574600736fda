import { accessSync, constants, mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { chart } from './chart.js';
import { endLoads, type LoadGenerator, loadGenerator } from './load.js';
import { type Machine, machineOf } from './machine.js';
import type { Measurement } from './measurement.js';
import { STUDIES, TABLE } from './measurements/index.js';
import { pacer } from './open-loop.js';
import { benchOptions, chosen, HELP, type Options, UsageError } from './options.js';
import { type Result, reached, reportJson, reportText } from './report.js';
import { Stage } from './stage.js';

async function main(args: readonly string[]): Promise<number> {
  const options = benchOptions(args);
  if (options.help || options.list) {
    process.stdout.write(options.help ? HELP : listText());
    return 0;
  }
  const measurements = chosen(TABLE, STUDIES, options);
  makeFolder(options.out);
  const generator = await loadGenerator();
  let machine: Machine | undefined;
  const results: Result[] = [];
  for (const measurement of measurements) {
    const stage = await Stage.start();
    machine ??= await machineOf(stage, `${generator.name}, ${(await pacer()).name}`);
    results.push(await measure(measurement, stage, generator, options));
    keep(results, { machine, options, complete: results.length === measurements.length });
    await endLoads();
    await stage.stop();
  }
  tell(results, machine!, options);
  return reached(results) ? 0 : 1;
}

/** What goes wrong in one is told in its place; the others are measured nevertheless. */
async function measure(
  measurement: Measurement,
  stage: Stage,
  generator: LoadGenerator,
  { quick, people }: Options,
): Promise<Result> {
  const began = performance.now();
  const tellOf = (text: string) => say(`${measurement.name}: ${text}`);
  tellOf(measurement.about);
  const seconds = () => (performance.now() - began) / 1_000;
  try {
    const figures = await measurement.run({ stage, generator, quick, people, say: tellOf });
    return { measurement, figures, failure: null, took: seconds() };
  } catch (error) {
    const failure = error instanceof Error ? (error.stack ?? error.message) : String(error);
    tellOf(failure);
    return { measurement, figures: [], failure, took: seconds() };
  }
}

/** @throws UsageError */
function makeFolder(out: string): void {
  try {
    mkdirSync(out, { recursive: true });
    accessSync(out, constants.W_OK);
  } catch (error) {
    throw new UsageError(`Nothing can be written to ${out}: ${(error as Error).message}`);
  }
}

interface Run {
  readonly machine: Machine;
  readonly options: Options;
  /** Whether all that was asked for has been measured. */
  readonly complete: boolean;
}

/** After each: the whole takes an hour, and may be ended before. */
function keep(results: readonly Result[], { machine, options, complete }: Run): void {
  const { out, quick } = options;
  const report = { complete, ...reportJson(results, machine, quick) };
  writeFileSync(join(out, 'bench.json'), jsonText(report));
  for (const { measurement, figures } of results) {
    for (const { curve } of figures) {
      if (curve !== undefined) writeFileSync(join(out, `${measurement.name}.svg`), chart(curve));
    }
  }
}

function tell(results: readonly Result[], machine: Machine, { quick, json }: Options): void {
  const text = json
    ? jsonText(reportJson(results, machine, quick))
    : reportText(results, machine, quick);
  process.stdout.write(text);
}

function jsonText(report: object): string {
  return `${JSON.stringify(report, null, 2)}\n`;
}

function listText(): string {
  const lines = (measurements: readonly Measurement[]) =>
    measurements.map(({ name, about }) => `${name.padEnd(12)}${about}\n`).join('');
  return `${lines(TABLE)}\nStudies:\n${lines(STUDIES)}`;
}

function say(text: string): void {
  process.stderr.write(`${new Date().toISOString().slice(11, 19)}  ${text}\n`);
}

try {
  // Servers that a measurement left behind when it broke end with this process.
  process.exit(await main(process.argv.slice(2)));
} catch (error) {
  if (!(error instanceof UsageError)) throw error;
  process.stderr.write(`${error.message}\n\n${HELP}`);
  process.exitCode = 2;
}
