import { parseArgs } from 'node:util';

export const HELP = `Usage: npm run faults [-- options]

  --only 6,7        these cases alone; --list says which there are
  --json            print the result as JSON
  --ledger FILE     write every answer that a client got as JSON lines
  --seed N          what is left to chance. Default: 1
  --hasten N        outages of minutes last an N-th of what they should: for trying things out
  --random 30m      instead of the cases: faults at random for so long (s, m, h)
    --rate N          heartbeats and tracked requests a second. Default: 2000
    --transitions N   logins, logouts and statuses set, a second. Default: 50

It ends with 1 where anything was lost, doubled, wrong, or not as the case demands; with 2 where it
was not asked for properly. docs/faults.md says how to read the table.
`;

/** What was asked for makes no sense; the message says why. */
export class UsageError extends Error {
  override readonly name = 'UsageError';
}

export interface Options {
  readonly help: boolean;
  readonly list: boolean;
  /** `null`: all. */
  readonly only: readonly number[] | null;
  readonly json: boolean;
  readonly ledger: string | null;
  readonly seed: number;
  readonly hasten: number;
  /** Milliseconds; `null`: the cases. */
  readonly random: number | null;
  readonly rate: number;
  readonly transitions: number;
}

const UNITS: Readonly<Record<string, number>> = { s: 1_000, m: 60_000, h: 3_600_000 };

/** @throws UsageError */
export function faultOptions(args: readonly string[]): Options {
  const { help = false, list = false, json = false, ...values } = parse(args);
  return {
    ...{ help, list, json },
    only: values.only === undefined ? null : values.only.split(',').map(caseNumber),
    ledger: values.ledger ?? null,
    seed: whole('--seed', values.seed) ?? 1,
    hasten: whole('--hasten', values.hasten) ?? 1,
    random: values.random === undefined ? null : duration(values.random),
    rate: whole('--rate', values.rate) ?? 2_000,
    transitions: whole('--transitions', values.transitions) ?? 50,
  };
}

function parse(args: readonly string[]) {
  const text = { type: 'string' } as const;
  const flag = { type: 'boolean' } as const;
  const texts = { only: text, ledger: text, seed: text, hasten: text };
  const random = { random: text, rate: text, transitions: text };
  const flags = { list: flag, json: flag, help: { ...flag, short: 'h' } };
  try {
    return parseArgs({ args: [...args], options: { ...texts, ...random, ...flags } }).values;
  } catch (error) {
    throw new UsageError((error as Error).message);
  }
}

function caseNumber(text: string): number {
  return whole('--only', text.trim())!;
}

function duration(text: string): number {
  const match = /^(\d+)(s|m|h)$/.exec(text);
  if (match === null) throw new UsageError(`--random takes a length of time such as 30m.`);
  return Number(match[1]) * UNITS[match[2]!]!;
}

function whole(name: string, text: string | undefined): number | undefined {
  if (text === undefined) return undefined;
  const value = Number(text);
  if (Number.isSafeInteger(value) && value > 0 && value < 2 ** 31) return value;
  throw new UsageError(`${name} takes a whole number from 1 on.`);
}
