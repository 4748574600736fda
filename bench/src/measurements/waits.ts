import { setTimeout as wait } from 'node:timers/promises';
import type { Curve, Figure } from '../figure.js';
import { introduceAll } from '../introduction.js';
import type { Bench, Measurement } from '../measurement.js';
import { metricsOf } from '../metrics.js';
import { openLoop } from '../open-loop.js';
import { median } from '../statistics.js';
import { cpuSeconds } from '../usage.js';

const RATE = 5_000;
/** BATCH_MAX_WAIT, in milliseconds; the default is among them. */
const MAX_WAITS = [5, 10, 20, 40, 80];
/** Seconds in which a worker that has just started works off what waits, and warms up. */
const WARM_UP = 5;

export const WAITS: Measurement = {
  name: 'waits',
  about: 'what a heartbeat costs worker and Postgres, by how long a batch waits for company',
  run: async (bench) => {
    const { stage, people, quick, say } = bench;
    const [rounds, seconds] = quick ? [1, 5] : [5, 10];
    await stage.populate(people);
    const tokens = await stage.tokens(people);
    const api = await stage.system.startApi();
    const target = { method: 'POST', url: `${api.url}/api/users/heartbeat/`, tokens };
    const first = await stage.system.startWorker();
    await introduceAll(bench, target);
    await first.end('SIGTERM');
    const turn = WARM_UP + seconds + 2; // Two seconds for a worker to start and to end.
    const load = openLoop(target, {
      ...{ seconds: rounds * MAX_WAITS.length * turn, warmUp: WARM_UP },
      ...{ rate: RATE, connections: 64 },
    });
    const costs = MAX_WAITS.map((): number[] => []);
    for (let round = 0; round < rounds; round++) {
      for (let place = 0; place < MAX_WAITS.length; place++) {
        const at = (round + place) % MAX_WAITS.length;
        costs[at]!.push(await costOf(bench, MAX_WAITS[at]!, seconds));
      }
      const told = MAX_WAITS.map((ms, at) => `${ms} ms ${costs[at]!.at(-1)!.toFixed(1)}`);
      say(`round ${round + 1} of ${rounds}, µs: ${told.join(', ')}`);
    }
    await load;
    const points = MAX_WAITS.map((ms, at): Curve['points'][number] => [ms, median(costs[at]!)]);
    const curve = { name: 'worker + Postgres', x: 'ms of waiting', y: 'µs a heartbeat', points };
    return points.map(
      ([ms, value], at): Figure => ({
        ...{ what: `a heartbeat costs worker + Postgres, ${ms} ms`, value, unit: 'µs' },
        ...(at === 0 && { curve }),
      }),
    );
  },
};

/** @returns µs of a processor for each heartbeat that a worker with this setting writes */
async function costOf({ stage }: Bench, maxWait: number, seconds: number): Promise<number> {
  const worker = await stage.system.spawnWorker({ BATCH_MAX_WAIT: `${maxWait}ms` });
  await stage.system.ready(worker.opsUrl, worker.process);
  await wait(WARM_UP * 1_000);
  const look = async () => ({
    cpu: cpuSeconds([worker.process.pid, stage.postgres.pid]),
    written: (await metricsOf(worker.opsUrl))('presence_events_written_total'),
  });
  const before = await look();
  await wait(seconds * 1_000);
  const after = await look();
  await worker.process.end('SIGTERM');
  const written = after.written - before.written;
  if (written < 0.9 * seconds * RATE) throw new Error(`Only ${written} heartbeats were written.`);
  return (1e6 * (after.cpu - before.cpu)) / written;
}
