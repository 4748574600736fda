import { PREFETCH as USUAL } from '@presence/adapters/wire';
import { drain, publishSingles } from '../backlog.js';
import { shuffled } from '../crowd.js';
import type { Curve } from '../figure.js';
import type { Measurement } from '../measurement.js';
import { median } from '../statistics.js';

/** AMQP_PREFETCH; the default is among them. */
const PREFETCHES = [100, 250, 500, 1_000, 2_000, 4_000];

export const PREFETCH: Measurement = {
  name: 'prefetch',
  about: 'single-event messages/s of one worker with a full queue, by how many it may hold',
  run: async ({ stage, quick, say }) => {
    const [rounds, users] = quick ? [1, 50_000] : [5, 100_000];
    await stage.addUsers(users, 'online');
    await (await stage.system.startWorker()).end('SIGTERM');
    const rates = PREFETCHES.map((): number[] => []);
    for (let round = 0; round < rounds; round++) {
      for (let turn = 0; turn < PREFETCHES.length; turn++) {
        const at = (round + turn) % PREFETCHES.length;
        await publishSingles(stage, shuffled(users));
        rates[at]!.push(await drain(stage, users, [{ AMQP_PREFETCH: String(PREFETCHES[at]) }]));
      }
      say(`round ${round + 1} of ${rounds}: ${told(rates.map((own) => own.at(-1)!))}`);
    }
    const medians = rates.map(median);
    const points = PREFETCHES.map((held, at): Curve['points'][number] => [held, medians[at]!]);
    const curve = { name: 'one worker', x: 'messages held', y: 'messages/s', points };
    const what = `single-event messages, ${USUAL} held`;
    const value = medians[PREFETCHES.indexOf(USUAL)]!;
    return [{ what, value, unit: '/s', note: told(medians), curve }];
  },
};

function told(rates: readonly number[]): string {
  return PREFETCHES.map((held, at) => `${held}: ${Math.round(rates[at]!)}/s`).join(', ');
}
