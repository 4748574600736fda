import { eventually } from '@presence/test-services';
import type { FaultCase } from '../fault-case.js';
import type { RunningApi, RunningWorker } from '../system.js';
import type { Trial } from '../trial.js';

/** Two AMQP heartbeats of 5 s. */
const NOTICED_WITHIN = 10_000;

/** What is connected stays so, and carries nothing more; nobody is told. */
export const BLACK_HOLE: FaultCase = {
  number: 13,
  fault: 'black-holed connection',
  did: 'the connections of an API, then of a worker, carry nothing more and stay open',
  shape: { apis: 1, workers: 1 },
  run: async (trial) => {
    const { system } = trial;
    const api = await system.startApi({ ways: true });
    const worker = await system.startWorker({ ways: true });
    const load = await trial.load();
    await trial.mended();
    for (const [what, one, connections] of [
      ['an API', api, 1],
      ['a worker', worker, 2],
    ] as const) {
      const { served } = load;
      await swallow(trial, what, one, connections);
      trial.require(load.served > served + 100, 'nobody was served meanwhile');
      await trial.mended();
    }
  },
};

async function swallow(
  trial: Trial,
  what: string,
  { ways }: RunningApi | RunningWorker,
  connections: number,
): Promise<void> {
  const { arrivals } = ways!.broker;
  const known = arrivals.length;
  const began = performance.now();
  ways!.broker.swallow();
  await eventually(() => arrivals.length >= known + connections, { within: 30_000 });
  const noticed = arrivals[known + connections - 1]! - began;
  trial.note(`${what} notices after ${(noticed / 1_000).toFixed(1)} s`);
  trial.require(noticed <= NOTICED_WITHIN, `${what} notices after ${noticed.toFixed(0)} ms`);
}
