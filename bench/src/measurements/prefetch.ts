import { drain, publishBatches, publishSingles } from '../backlog.js';
import { shuffled } from '../crowd.js';
import type { Curve } from '../figure.js';
import type { Measurement } from '../measurement.js';
import { median } from '../statistics.js';

/** AMQP_PREFETCH; the default is among them. */
const PREFETCHES = [100, 250, 500, 1_000, 2_000, 4_000];

interface Way {
  readonly prefetch: number;
  readonly singles: number[];
  readonly batches: number[];
}

export const PREFETCH: Measurement = {
  name: 'prefetch',
  about: 'events/s of one worker with a full queue, by how many messages it may hold',
  run: async ({ stage, quick, say }) => {
    const [rounds, users] = quick ? [1, 50_000] : [5, 100_000];
    await stage.addUsers(users, 'online');
    await (await stage.system.startWorker()).end('SIGTERM');
    const ways = PREFETCHES.map((prefetch): Way => ({ prefetch, singles: [], batches: [] }));
    for (let round = 0; round < rounds; round++) {
      for (let turn = 0; turn < ways.length; turn++) {
        const { prefetch, singles, batches } = ways[(round + turn) % ways.length]!;
        const settings = { AMQP_PREFETCH: String(prefetch) };
        await publishSingles(stage, shuffled(users));
        singles.push(await drain(stage, users, [settings]));
        await publishBatches(stage, shuffled(users));
        batches.push(await drain(stage, users, [settings]));
      }
      say(
        `round ${round + 1} of ${rounds}, single events: ${told(ways, (way) => way.singles.at(-1)!)}`,
      );
    }
    const points = ways.map((way): Curve['points'][number] => [way.prefetch, median(way.singles)]);
    const curve = { name: 'single-event messages', x: 'messages held', y: 'events/s', points };
    const usual = ways.find(({ prefetch }) => prefetch === 500)!;
    return [
      {
        ...{ what: 'single-event messages, 500 held', value: median(usual.singles), unit: '/s' },
        ...{ note: told(ways, (way) => median(way.singles)), curve },
      },
      {
        ...{ what: 'messages of 500 events, 500 held', value: median(usual.batches), unit: '/s' },
        note: told(ways, (way) => median(way.batches)),
      },
    ];
  },
};

function told(ways: readonly Way[], rate: (way: Way) => number): string {
  return ways.map((way) => `${way.prefetch}: ${Math.round(rate(way))}/s`).join(', ');
}
