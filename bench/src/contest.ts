import type { LoadGenerator, Target } from './load.js';
import { isSteady, median, type Spread, spreadOf } from './statistics.js';
import { cpuSeconds } from './usage.js';

/** A server that runs, to be measured beside others. */
export interface Contestant {
  readonly name: string;
  readonly target: Target;
  readonly pid: number;
  /** Told when a round of its own is over; throws where what it has promised did not come true. */
  settle?(): Promise<void>;
}

/** What one round of one contestant came to. */
export interface Score {
  readonly perSecond: number;
  /** Processor time of its process, user and system, in microseconds a request. */
  readonly cpu: number;
}

export interface Rounds {
  readonly count: number;
  readonly seconds: number;
  /** Seconds beforehand that do not count: everybody speaks once, and is known from then on. */
  readonly warmUp: number;
  readonly connections: number;
}

export const ROUNDS: Rounds = { count: 7, seconds: 10, warmUp: 20, connections: 64 };
export const QUICK_ROUNDS: Rounds = { count: 3, seconds: 2, warmUp: 3, connections: 64 };
const MOST_FAILURES = 0.001;

/** One after the other, in each round in another order: what slows the machine meets all of them. */
export async function compete(
  contestants: readonly Contestant[],
  rounds: Rounds,
  generator: LoadGenerator,
  say: (text: string) => void,
): Promise<ReadonlyMap<string, readonly Score[]>> {
  const scores = new Map(contestants.map(({ name }) => [name, [] as Score[]]));
  for (const one of contestants) await play(one, { ...rounds, seconds: rounds.warmUp }, generator);
  for (let round = 0; round < rounds.count; round++) {
    for (let turn = 0; turn < contestants.length; turn++) {
      const one = contestants[(round + turn) % contestants.length]!;
      const score = await play(one, rounds, generator);
      scores.get(one.name)!.push(score);
      const { perSecond, cpu } = score;
      say(
        `round ${round + 1} of ${rounds.count}: ${one.name} ${told(perSecond)}/s, ${told(cpu)} µs`,
      );
    }
  }
  return scores;
}

/** @throws where requests failed: what is not done is done fast */
async function play(one: Contestant, rounds: Rounds, generator: LoadGenerator): Promise<Score> {
  const before = cpuSeconds([one.pid]);
  const traffic = await generator.run(one.target, rounds);
  const used = cpuSeconds([one.pid]) - before;
  await one.settle?.();
  const { requests, failures, perSecond } = traffic;
  if (failures > requests * MOST_FAILURES || requests === 0) {
    throw new Error(`${one.name}: ${failures} of ${requests} requests failed.`);
  }
  return { perSecond, cpu: (used / requests) * 1e6 };
}

export interface Ratio extends Spread {
  /** Where rates swing too much, the processor time of each decides. */
  readonly by: 'rate' | 'CPU';
}

/** How many times as fast, round by round. */
export function ratioOf(ours: readonly Score[], theirs: readonly Score[]): Ratio {
  const pairs = ours.map((score, round) => [score, theirs[round]!] as const);
  const rate = spreadOf(pairs.map(([one, other]) => one.perSecond / other.perSecond));
  if (isSteady(rate)) return { ...rate, by: 'rate' };
  return { ...spreadOf(pairs.map(([one, other]) => other.cpu / one.cpu)), by: 'CPU' };
}

/** Of the middle round. */
export function cpuOf(scores: readonly Score[]): number {
  return median(scores.map(({ cpu }) => cpu));
}

/** For the table: what the middle round came to. */
export function middleOf(scores: readonly Score[]): string {
  const rate = median(scores.map(({ perSecond }) => perSecond));
  return `${told(rate)}/s, ${told(cpuOf(scores))} µs`;
}

function told(value: number): string {
  return value >= 100 ? Math.round(value).toLocaleString('en') : value.toFixed(1);
}
