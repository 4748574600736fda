import { setTimeout as wait } from 'node:timers/promises';
import { eventually } from '@presence/test-services';
import { BESIDE, type FaultCase } from '../fault-case.js';
import { metric } from '../metric.js';
import type { RunningWorker } from '../system.js';

const OUTAGE = 40 * 60_000;
const PEOPLE = 2_000;
const RATE = 100;
/** As `worker.ts` has it, and what a statement and a look take. */
const HANDED_BACK_WITHIN = 15_000;
/** Of one processor: a process that asks every two seconds needs next to nothing. */
const MOST_BUSY = 0.1;
/** Handed back that often, a quorum queue with this limit would drop it. RabbitMQ 4 has 20. */
const DELIVERY_LIMIT = 20;

/** Longer than the half hour after which RabbitMQ takes the channel of whoever does not acknowledge. */
export const POSTGRES_AWAY: FaultCase = {
  number: 16,
  fault: 'Postgres away 40 minutes',
  did: `kill -9 with a batch in hand; a delivery limit of ${DELIVERY_LIMIT} is on the queue`,
  lane: BESIDE,
  healthyWithin: 60_000,
  run: async (trial) => {
    const { system } = trial;
    const limit = JSON.stringify({ 'delivery-limit': DELIVERY_LIMIT });
    await system.broker.ctl('set_policy', 'limit', '^presence\\.writer$', limit);
    const people = await trial.people(PEOPLE, { canLogIn: true });
    const load = await trial.load({ people, rate: RATE, transitions: 5 });
    await eventually(() => load.served > 5 * RATE, { within: 30_000 });
    await system.postgres.kill();
    trial.say('Postgres is away');
    const gone = performance.now();
    await eventually(async () => (await system.queue.consumers()) === 0, {
      within: HANDED_BACK_WITHIN,
    });
    const before = await cpuSeconds(system.workers);
    const heartbeats = load.tallies.heartbeat.codes.get(200) ?? 0;
    const since = performance.now();
    await wait(trial.long(OUTAGE) - (performance.now() - gone));
    const busy =
      ((await cpuSeconds(system.workers)) - before) / ((performance.now() - since) / 1e3);
    const taken = (load.tallies.heartbeat.codes.get(200) ?? 0) - heartbeats;
    const [queued, held] = [await system.queue.queued(), await system.queue.held()];
    trial.note(
      `workers used ${(100 * busy).toFixed(1)} % of a processor; ${queued} messages waited`,
    );
    trial.require(busy < MOST_BUSY, `workers used ${(100 * busy).toFixed(0)} % of a processor`);
    trial.require(held === 0, `${held} deliveries were held`);
    trial.require(taken > 0 && queued > 0, `${taken} heartbeats were taken, ${queued} waited`);
    await system.postgres.restart();
    trial.say('Postgres is back');
    await trial.mended();
    await system.broker.ctl('clear_policy', 'limit');
  },
};

/** What processes have used so far, in seconds of processors. */
async function cpuSeconds(workers: readonly RunningWorker[]): Promise<number> {
  const used = await Promise.all(
    workers.map(({ opsUrl }) => metric(opsUrl, 'presence_process_cpu_seconds_total')),
  );
  return used.reduce((sum, seconds) => sum + seconds, 0);
}
