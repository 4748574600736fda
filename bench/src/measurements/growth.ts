import { drain, publishBatches } from '../backlog.js';
import { shuffled } from '../crowd.js';
import type { Curve } from '../figure.js';
import type { Measurement } from '../measurement.js';
import { median } from '../statistics.js';

const SIZES = [10_000, 30_000, 100_000, 300_000, 1_000_000];
const QUICK_SIZES = [10_000, 100_000];
const EVENTS = 300_000;

export const GROWTH: Measurement = {
  name: 'growth',
  about: 'events/s of one worker and Postgres, from ten thousand users to a million',
  run: async ({ stage, quick, say }) => {
    const sizes = quick ? QUICK_SIZES : SIZES;
    const [rounds, events] = quick ? [1, EVENTS / 3] : [3, EVENTS];
    await (await stage.system.startWorker()).end('SIGTERM');
    const points: Curve['points'][number][] = [];
    for (const users of sizes) {
      await stage.addUsers(users, 'online');
      const rates: number[] = [];
      for (let round = 0; round < rounds; round++) {
        await publishBatches(stage, idsOf(users, events));
        rates.push(await drain(stage, events));
      }
      points.push([users, median(rates)]);
      say(`${users} users: ${Math.round(median(rates))} events/s`);
    }
    const [first, last] = [points[0]!, points.at(-1)!];
    const curve = { name: 'worker + Postgres', x: 'users', y: 'events/s', points };
    const curveNote = points.map(([users, rate]) => `${users}: ${Math.round(rate)}/s`).join(', ');
    const note = `by rate, ${rounds} rounds of each, one size after the other; ${curveNote}`;
    const what = `worker + Postgres, ${last[0]} ÷ ${first[0]} users`;
    const value = last[1] / first[1];
    return [{ what, value, unit: 'ratio', floor: 0.8, goal: 0.95, note, curve }];
  },
};

/** So many, each user as often as any other. */
function idsOf(users: number, events: number): number[] {
  let ids: number[] = [];
  while (ids.length < events) ids = ids.concat(shuffled(users));
  return ids.slice(0, events);
}
