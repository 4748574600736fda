import { assertServed, type LoadGenerator, type Target } from './load.js';
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
  /**
   * Seconds beforehand that do not count, and again while not everybody has spoken once: whose
   * token is new is dearer. {@link MOST_WARM_UPS} times at the most, which is too few for the slow.
   */
  readonly warmUp: number;
  readonly connections: number;
}

export const ROUNDS: Rounds = { count: 7, seconds: 10, warmUp: 20, connections: 64 };
export const QUICK_ROUNDS: Rounds = { count: 3, seconds: 2, warmUp: 3, connections: 64 };
const MOST_WARM_UPS = 3;

/** One after the other, in each round in another order: what slows the machine meets all of them. */
export async function compete(
  contestants: readonly Contestant[],
  rounds: Rounds,
  generator: LoadGenerator,
  say: (text: string) => void,
): Promise<ReadonlyMap<string, readonly Score[]>> {
  const players = contestants.map((contestant) => new Player(contestant, rounds, generator));
  // The first one last: what it knows of whom is fresh when its rounds begin.
  for (const player of players.toReversed()) await player.warmUp();
  for (let round = 0; round < rounds.count; round++) {
    for (let turn = 0; turn < players.length; turn++) {
      const player = players[(round + turn) % players.length]!;
      const { perSecond, cpu } = await player.play();
      const at = rounds.count === 1 ? '' : `round ${round + 1} of ${rounds.count}: `;
      say(`${at}${player.contestant.name} ${told(perSecond)}/s, ${told(cpu)} µs`);
    }
  }
  return new Map(players.map(({ contestant, scores }) => [contestant.name, scores]));
}

/** A contestant with what it has been asked and has scored. */
class Player {
  readonly scores: Score[] = [];
  readonly contestant: Contestant;
  readonly #rounds: Rounds;
  readonly #generator: LoadGenerator;
  #requests = 0;

  constructor(contestant: Contestant, rounds: Rounds, generator: LoadGenerator) {
    this.contestant = contestant;
    this.#rounds = rounds;
    this.#generator = generator;
  }

  async warmUp(): Promise<void> {
    for (let turn = 0; turn < MOST_WARM_UPS; turn++) {
      await this.#load(this.#rounds.warmUp);
      if (this.#requests >= this.contestant.target.tokens.count) return;
    }
  }

  async play(): Promise<Score> {
    const score = await this.#load(this.#rounds.seconds);
    this.scores.push(score);
    return score;
  }

  /** @throws where requests failed */
  async #load(seconds: number): Promise<Score> {
    const { name, target, pid, settle } = this.contestant;
    const { connections } = this.#rounds;
    const before = cpuSeconds([pid]);
    const load = { seconds, connections, after: this.#requests };
    const { requests, failures, perSecond } = await this.#generator.run(target, load);
    const used = cpuSeconds([pid]) - before;
    this.#requests += requests;
    await settle?.();
    assertServed(name, { requests, failures });
    return { perSecond, cpu: (used / requests) * 1e6 };
  }
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
