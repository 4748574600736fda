import { parseArgs } from 'node:util';
import { DEAD_LETTER_WINDOW } from '@presence/adapters/rabbitmq';

export const DEAD_HELP = `Usage: npm run dead -- <command>

  list [--limit N] [--json]            count by reason, and list the oldest N (100)
  show NUMBER [--json]                 print one whole; NUMBER as in the list
  replay [--reason R] [--limit N] [--json]
                                       publish the events again; those taken in leave the queue
  purge [--reason R] [--yes] [--json]  delete for good, after asking

  --reason R   only letters refused for R: invalid_json, too_large, too_many, invalid_event,
               routing_key_mismatch, unknown_user, future_timestamp or database:<SQLSTATE>
  --yes        do not ask

Looking removes nothing and keeps the order. What was refused as routing_key_mismatch is replayed
only by that --reason: its sender may not have been allowed to say it.
The queue is presence.dead at AMQP_URL; the user in it must be allowed to read it. More in
docs/dead-letters.md.
`;

/** What was asked for makes no sense; the message says why. */
export class UsageError extends Error {
  override readonly name = 'UsageError';
}

export interface DeadOptions {
  readonly command: 'list' | 'show' | 'replay' | 'purge' | 'help';
  /** What to show: 1 is the oldest. */
  readonly number: number;
  readonly reason: string | undefined;
  readonly limit: number | undefined;
  readonly yes: boolean;
  readonly json: boolean;
}

type Flag = 'reason' | 'limit' | 'yes' | 'json';

const FLAGS: Readonly<Record<string, readonly Flag[]>> = {
  list: ['limit', 'json'],
  show: ['json'],
  replay: ['reason', 'limit', 'json'],
  purge: ['reason', 'yes', 'json'],
};

/** @throws UsageError */
export function deadOptions(args: readonly string[]): DeadOptions {
  const { values, positionals } = parse(args);
  const [command = '', ...rest] = positionals;
  const isHelp = values.help || (command === 'help' && rest.length === 0);
  if (!isHelp) check(command, values);
  const number = command === 'show' && !isHelp ? letterNumber(rest.shift()) : 0;
  if (!isHelp && rest.length > 0) throw new UsageError(`What is ${JSON.stringify(rest[0])} for?`);
  return {
    command: isHelp ? 'help' : (command as DeadOptions['command']),
    number,
    reason: values.reason,
    limit: values.limit === undefined ? undefined : positive('--limit', values.limit),
    yes: values.yes === true,
    json: values.json === true,
  };
}

function parse(args: readonly string[]) {
  try {
    return parseArgs({
      args: [...args],
      allowPositionals: true,
      options: {
        reason: { type: 'string' },
        limit: { type: 'string' },
        yes: { type: 'boolean', short: 'y' },
        json: { type: 'boolean' },
        help: { type: 'boolean', short: 'h' },
      },
    });
  } catch (error) {
    throw new UsageError((error as Error).message);
  }
}

/** An option that a command does not know might have been meant to hold it back. */
function check(command: string, values: Readonly<Record<string, unknown>>): void {
  const flags = Object.hasOwn(FLAGS, command) ? FLAGS[command] : undefined;
  if (command === '') throw new UsageError('Say what to do: list, show, replay or purge.');
  if (!flags) throw new UsageError(`There is no command ${JSON.stringify(command)}.`);
  const stray = Object.keys(values).find((flag) => !flags.includes(flag as Flag));
  if (stray !== undefined) throw new UsageError(`${command} takes no --${stray}.`);
}

function letterNumber(text: string | undefined): number {
  if (text === undefined) throw new UsageError('Say which: show 1 prints the oldest.');
  const number = positive('The number of a letter', text);
  if (number <= DEAD_LETTER_WINDOW) return number;
  throw new UsageError(`Only the oldest ${DEAD_LETTER_WINDOW} letters can be shown.`);
}

function positive(what: string, text: string): number {
  if (/^[1-9]\d{0,14}$/.test(text)) return Number(text);
  throw new UsageError(`${what} is a whole number from 1 on, not ${JSON.stringify(text)}.`);
}
