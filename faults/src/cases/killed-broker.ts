import { setTimeout as wait } from 'node:timers/promises';
import type { FaultCase } from '../fault-case.js';
import { Publisher } from '../publisher.js';
import type { Trial } from '../trial.js';

const KILLS = 2;
const AWAY = 2_000;

export const KILLED_BROKER: FaultCase = {
  number: 6,
  fault: 'kill -9 broker under load',
  did: `kill -9 while two roads publish, back after ${AWAY / 1_000} s, ${KILLS} times`,
  healthyWithin: 5_000,
  run: async (trial) => {
    await trial.load({ rate: 200 });
    for (let kill = 0; kill < KILLS; kill++) await killUnderLoad(trial);
  },
};

async function killUnderLoad(trial: Trial): Promise<void> {
  const { system } = trial;
  const publisher = await Publisher.open(system.broker.url, trial.ledger);
  const people = await trial.people(20);
  let ended = false;
  const publishing = (async () => {
    while (!ended) {
      const occurredAt = Date.now();
      const beats = people.map(({ userId }) =>
        publisher.publish({ type: 'heartbeat', status: 'online', userId, occurredAt }),
      );
      await Promise.all(beats);
      await wait(5);
    }
  })();
  await wait(2_000);
  await system.killBroker();
  ended = true;
  await publishing;
  await wait(AWAY);
  await system.restartBroker();
  trial.note(`healthy ${((await trial.mended()) / 1_000).toFixed(1)} s after it was back`);
}
