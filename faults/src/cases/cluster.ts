import { WRITER_QUEUE } from '@presence/adapters/wire';
import { eventually, RabbitCluster } from '@presence/test-services';
import type { FaultCase } from '../fault-case.js';
import type { Load } from '../load.js';
import type { Trial } from '../trial.js';

const MEMBERS = 3;
const ROUNDS = 3;

/** Each time the queue has another leader; whoever was connected to the old one goes elsewhere. */
export const CLUSTER: FaultCase = {
  number: 33,
  fault: "one of three brokers killed, the queue's leader",
  did: `kill -9 the member that leads the queue, ${ROUNDS} times; each comes back afterwards`,
  lane: 'cluster',
  brokers: MEMBERS,
  healthyWithin: 10_000,
  run: async (trial) => {
    const { broker } = trial.system;
    if (!(broker instanceof RabbitCluster)) throw new Error('There is one broker.');
    const load = await trial.load();
    await trial.mended();
    const size = await broker.sizeOf(WRITER_QUEUE);
    trial.require(size === MEMBERS, `${size} members hold the queue`);
    for (let round = 0; round < ROUNDS; round++) await killLeader(trial, broker, load);
  },
};

async function killLeader(trial: Trial, broker: RabbitCluster, load: Load): Promise<void> {
  const leader = await broker.leaderOf(WRITER_QUEUE);
  const { served } = load;
  await leader.kill();
  const well = await trial.mended();
  const next = await broker.leaderOf(WRITER_QUEUE);
  trial.note(`without ${leader.node} all is well after ${(well / 1_000).toFixed(1)} s`);
  trial.require(next !== leader, 'the queue has no other leader');
  await eventually(() => load.served > served + 100);
  await leader.restart();
  await trial.mended();
}
