import { parseArgs } from 'node:util';
import type { Measurement } from './measurement.js';

export const HELP = `Usage: npm run bench [-- options]

  --only a,b        these measurements alone; --list says which there are
  --quick           shorter and fewer rounds: a look, not a figure to quote
  --people N        how many users have tokens. Default: 100000 (--quick: 20000)
  --json            print the result as JSON
  --out FOLDER      where bench.json and the curves go. Default: bench-results

It ends with 1 where a floor is missed, and with 2 where it was not asked for properly.
docs/benchmarks.md says what is measured and how.
`;

/** What was asked for makes no sense; the message says why. */
export class UsageError extends Error {
  override readonly name = 'UsageError';
}

export interface Options {
  readonly help: boolean;
  readonly list: boolean;
  /** `null`: all. */
  readonly only: readonly string[] | null;
  readonly quick: boolean;
  readonly people: number;
  readonly json: boolean;
  readonly out: string;
}

const PEOPLE = 100_000;
const QUICK_PEOPLE = 20_000;
const LEAST_PEOPLE = 1_000;

/** @throws UsageError */
export function benchOptions(args: readonly string[]): Options {
  const { help = false, list = false, quick = false, json = false, ...values } = parse(args);
  return {
    ...{ help, list, quick, json },
    only: values.only === undefined ? null : values.only.split(',').map((name) => name.trim()),
    people: peopleOf(values.people) ?? (quick ? QUICK_PEOPLE : PEOPLE),
    out: values.out ?? 'bench-results',
  };
}

/** Those that were asked for. @throws UsageError */
export function chosen(
  all: readonly Measurement[],
  { only }: Pick<Options, 'only'>,
): readonly Measurement[] {
  const unknown = only?.find((name) => !all.some((one) => one.name === name));
  if (unknown !== undefined) throw new UsageError(`There is no measurement ${unknown}.`);
  return only === null ? all : all.filter(({ name }) => only.includes(name));
}

function parse(args: readonly string[]) {
  const text = { type: 'string' } as const;
  const flag = { type: 'boolean' } as const;
  const flags = { list: flag, quick: flag, json: flag, help: { ...flag, short: 'h' } };
  try {
    const options = { only: text, people: text, out: text, ...flags };
    return parseArgs({ args: [...args], options }).values;
  } catch (error) {
    throw new UsageError((error as Error).message);
  }
}

function peopleOf(text: string | undefined): number | undefined {
  if (text === undefined) return undefined;
  const people = Number(text);
  if (Number.isSafeInteger(people) && people >= LEAST_PEOPLE && people <= 1_000_000) return people;
  throw new UsageError(`--people takes a whole number from ${LEAST_PEOPLE} to 1000000.`);
}
