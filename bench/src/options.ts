import { parseArgs } from 'node:util';
import type { Measurement } from './measurement.js';

export const HELP = `Usage: npm run bench [-- options]

  --only a,b        these measurements alone; --list says which there are
  --all             the studies, too: what settings and shapes were chosen by
  --quick           a look, no figure to quote: shorter and fewer rounds, fewer people, one setting
                    of each peer; without --only and --all the first two alone
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
  /** `null`: the table, or for a quick look its beginning. */
  readonly only: readonly string[] | null;
  /** The studies, too. */
  readonly all: boolean;
  readonly quick: boolean;
  readonly people: number;
  readonly json: boolean;
  readonly out: string;
}

const PEOPLE = 100_000;
const QUICK_PEOPLE = 20_000;
const LEAST_PEOPLE = 1_000;
/** How many measurements two minutes are enough for. */
const QUICKLY = 2;

/** @throws UsageError */
export function benchOptions(args: readonly string[]): Options {
  const { help = false, list = false, all = false, ...values } = parse(args);
  const { quick = false, json = false } = values;
  if (all && values.only !== undefined) throw new UsageError('--only or --all, not both.');
  return {
    ...{ help, list, all, quick, json },
    only: values.only === undefined ? null : values.only.split(',').map((name) => name.trim()),
    people: peopleOf(values.people) ?? (quick ? QUICK_PEOPLE : PEOPLE),
    out: values.out ?? 'bench-results',
  };
}

/** Those that were asked for. @throws UsageError */
export function chosen(
  table: readonly Measurement[],
  studies: readonly Measurement[],
  { only, all, quick }: Pick<Options, 'only' | 'all' | 'quick'>,
): readonly Measurement[] {
  const whole = [...table, ...studies];
  const unknown = only?.find((name) => !whole.some((one) => one.name === name));
  if (unknown !== undefined) throw new UsageError(`There is no measurement ${unknown}.`);
  if (only !== null) return whole.filter(({ name }) => only.includes(name));
  if (all) return whole;
  return quick ? table.slice(0, QUICKLY) : table;
}

function parse(args: readonly string[]) {
  const text = { type: 'string' } as const;
  const flag = { type: 'boolean' } as const;
  const flags = { list: flag, all: flag, quick: flag, json: flag };
  try {
    const help = { ...flag, short: 'h' };
    const options = { only: text, people: text, out: text, help, ...flags };
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
