import { parseArgs } from 'node:util';
import { day, SCENARIOS, type Scenario } from './scenario.js';

export const HELP = `Usage: npm run simulate [-- options]

  --scenario NAME   what happens; "all" runs each, at smaller size. Default: day
  --users N         how many users there are         (day: 100,000)
  --hours N         how long it takes them           (day: 24)
  --seed N          the same seed, the same result. Default: 1
  --svg FILE        where to draw the timeline. Default: simulation.svg; with "all": nowhere
  --json            print the result as JSON
  --real            in real time, over real processes with a RabbitMQ and a Postgres of their own:
                    --users (40), --seed and --json count; it takes about four minutes

Scenarios:
${SCENARIOS.map(({ name, about }) => `  ${name.padEnd(20)}${about}`).join('\n')}

It ends with 1 where anybody was shown wrongly without need. docs/simulator.md says what counts.
`;

/** What was asked for makes no sense; the message says why. */
export class UsageError extends Error {
  override readonly name = 'UsageError';
}

export interface Options {
  readonly help: boolean;
  readonly scenarios: readonly Scenario[];
  readonly seed: number;
  /** `null`: draw nothing. */
  readonly svg: string | null;
  readonly json: boolean;
  /** How many users are to use the real system; `null`: simulate. */
  readonly realUsers: number | null;
}

/** The day, where it is one of many. */
const SMALL_DAY = { users: 2_000, hours: 6 };
const REAL_USERS = 40;
const MOST_REAL_USERS = 500;

/** @throws UsageError */
export function simulatorOptions(args: readonly string[]): Options {
  const { help = false, json = false, real = false, ...values } = parse(args);
  const name = values.scenario ?? 'day';
  const users = optional('--users', values.users, 1_000_000);
  const hours = optional('--hours', values.hours, 240);
  const scenarios = chosen(name, hours).map((scenario) => ({
    ...scenario,
    users: users ?? scenario.users,
  }));
  if (name === 'all' && values.svg !== undefined) {
    throw new UsageError('--svg draws one scenario: name it.');
  }
  const svg = name === 'all' ? null : (values.svg ?? 'simulation.svg');
  const realUsers = real
    ? (optional('--users', values.users, MOST_REAL_USERS) ?? REAL_USERS)
    : null;
  return { help, scenarios, seed: optional('--seed', values.seed) ?? 1, svg, json, realUsers };
}

function parse(args: readonly string[]) {
  try {
    const text = { type: 'string' } as const;
    const flag = { type: 'boolean' } as const;
    const options = { scenario: text, users: text, hours: text, seed: text, svg: text };
    return parseArgs({
      args: [...args],
      options: { ...options, json: flag, real: flag, help: { ...flag, short: 'h' } },
    }).values;
  } catch (error) {
    throw new UsageError((error as Error).message);
  }
}

function chosen(name: string, hours: number | undefined): Scenario[] {
  const resized = SCENARIOS.map((scenario) => (scenario.name === 'day' ? day(hours) : scenario));
  if (name === 'all') {
    const smallDay = { ...day(hours ?? SMALL_DAY.hours), users: SMALL_DAY.users };
    return resized.map((scenario) => lasting(scenario.name === 'day' ? smallDay : scenario, hours));
  }
  const scenario = resized.find((one) => one.name === name);
  if (scenario === undefined) throw new UsageError(`There is no scenario ${JSON.stringify(name)}.`);
  return [lasting(scenario, hours)];
}

/** Faults come when they come; a run that is too short for them would show nothing. */
function lasting(scenario: Scenario, hours: number | undefined): Scenario {
  if (hours === undefined || scenario.name === 'day') return scenario;
  if (hours < 1) throw new UsageError('Scenarios other than day take at least an hour.');
  return { ...scenario, hours };
}

function optional(name: string, text: string | undefined, most = 2 ** 31): number | undefined {
  if (text === undefined) return undefined;
  const value = Number(text);
  if (Number.isSafeInteger(value) && value > 0 && value <= most) return value;
  throw new UsageError(`${name} must be a whole number from 1 to ${most.toLocaleString('en')}.`);
}
