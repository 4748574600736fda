import { drain, publishBatches } from '../backlog.js';
import { shuffled } from '../crowd.js';
import type { Curve } from '../figure.js';
import type { Measurement } from '../measurement.js';
import { median, spreadOf } from '../statistics.js';

const SIZES = [10_000, 30_000, 100_000, 300_000, 1_000_000];
const QUICK_SIZES = [10_000, 100_000];
const EVENTS = 300_000;

export const GROWTH: Measurement = {
  name: 'growth',
  about: 'events/s of one worker and Postgres, from ten thousand users to a million',
  run: async ({ stage, quick, say }) => {
    const sizes = quick ? QUICK_SIZES : SIZES;
    const [rounds, events] = quick ? [1, EVENTS / 3] : [7, EVENTS];
    const crowds: Crowd[] = [];
    for (const users of sizes) {
      say(`a database of ${users} users`);
      crowds.push({ users, url: await stage.databaseOf(users), rates: [] });
    }
    await (await stage.system.startWorker()).end('SIGTERM');
    for (let round = 0; round < rounds; round++) {
      // Back and forth: nobody always comes after what a million users have left to be cleared up.
      for (const { users, url, rates } of round % 2 === 0 ? crowds : crowds.toReversed()) {
        await publishBatches(stage, idsOf(users, events));
        rates.push(await drain(stage, events, [{ DATABASE_URL: url }]));
      }
      say(`round ${round + 1} of ${rounds}: ${told(crowds, (rates) => rates.at(-1)!)}`);
    }
    const [first, last] = [crowds[0]!, crowds.at(-1)!];
    const spread = spreadOf(last.rates.map((rate, round) => rate / first.rates[round]!));
    const points = crowds.map(({ users, rates }): Point => [users, median(rates)]);
    const curve = { name: 'worker + Postgres', x: 'users', y: 'events/s', points };
    const what = `worker + Postgres, ${last.users} ÷ ${first.users} users`;
    const note = `by rate; ${told(crowds, median)}`;
    const marks = { floor: 0.8, goal: 0.95 };
    return [{ what, value: spread.median, unit: 'ratio', spread, ...marks, note, curve }];
  },
};

type Point = Curve['points'][number];

/** Users in a database of their own, and the events a second of each round. */
interface Crowd {
  readonly users: number;
  readonly url: string;
  readonly rates: number[];
}

function told(crowds: readonly Crowd[], rate: (rates: readonly number[]) => number): string {
  return crowds.map(({ users, rates }) => `${users}: ${Math.round(rate(rates))}/s`).join(', ');
}

/** So many, each user as often as any other. */
function idsOf(users: number, events: number): number[] {
  let ids: number[] = [];
  while (ids.length < events) ids = ids.concat(shuffled(users));
  return ids.slice(0, events);
}
