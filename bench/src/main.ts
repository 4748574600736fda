import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { chart } from './chart.js';
import { endLoads, type LoadGenerator, loadGenerator } from './load.js';
import { type Machine, machineOf } from './machine.js';
import type { Measurement } from './measurement.js';
import { MEASUREMENTS } from './measurements/index.js';
import { benchOptions, chosen, HELP, type Options, UsageError } from './options.js';
import { type Result, reached, reportJson, reportText } from './report.js';
import { Stage } from './stage.js';

async function main(args: readonly string[]): Promise<number> {
  const options = benchOptions(args);
  if (options.help || options.list) {
    process.stdout.write(options.help ? HELP : listText());
    return 0;
  }
  const measurements = chosen(MEASUREMENTS, options);
  const generator = await loadGenerator();
  let machine: Machine | undefined;
  const results: Result[] = [];
  for (const measurement of measurements) {
    const stage = await Stage.start();
    machine ??= await machineOf(stage, generator.name);
    results.push(await measure(measurement, stage, generator, options));
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

function tell(results: readonly Result[], machine: Machine, options: Options): void {
  const { out, quick, json } = options;
  const whole = `${JSON.stringify(reportJson(results, machine, quick), null, 2)}\n`;
  mkdirSync(out, { recursive: true });
  writeFileSync(join(out, 'bench.json'), whole);
  for (const { measurement, figures } of results) {
    for (const { curve } of figures) {
      if (curve !== undefined) writeFileSync(join(out, `${measurement.name}.svg`), chart(curve));
    }
  }
  process.stdout.write(json ? whole : reportText(results, machine, quick));
}

function listText(): string {
  return MEASUREMENTS.map(({ name, about }) => `${name.padEnd(12)}${about}\n`).join('');
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
