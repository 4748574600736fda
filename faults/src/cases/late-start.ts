import { setTimeout as wait } from 'node:timers/promises';
import { eventually } from '@presence/test-services';
import type { FaultCase } from '../fault-case.js';
import type { Trial } from '../trial.js';

const AWAY = 3_000;

export const AWAY_AT_START: FaultCase = {
  number: 8,
  fault: 'broker or Postgres away at start',
  did: `API and worker are started without Postgres, then without the broker; back after ${AWAY / 1_000} s`,
  shape: { apis: 1, workers: 1 },
  run: async (trial) => {
    const { system } = trial;
    await trial.load({ rate: 50 });
    await startWithout(trial, {
      leave: () => system.postgres.stop(),
      comeBack: () => system.postgres.restart(),
    });
    await startWithout(trial, {
      leave: () => system.killBroker(),
      comeBack: () => system.restartBroker(),
    });
  },
};

interface Absence {
  leave(): Promise<void>;
  comeBack(): Promise<void>;
}

async function startWithout(trial: Trial, { leave, comeBack }: Absence): Promise<void> {
  const { system } = trial;
  await leave();
  const api = await system.startApi({ unready: true });
  const worker = await system.startWorker({ unready: true });
  const urls = [api.url, worker.opsUrl];
  await Promise.all(urls.map((url) => eventually(() => isStarting(url), { within: 20_000 })));
  await wait(AWAY);
  for (const [at, { process }] of [api, worker].entries()) {
    trial.require(process.running, `it ended: ${process.output.slice(-1_000)}`);
    trial.require(await isStarting(urls[at]!), 'it did not wait until all was there');
  }
  await comeBack();
  await trial.mended();
}

/** @throws where nobody answers yet */
async function isStarting(url: string): Promise<boolean> {
  const response = await fetch(`${url}/health/ready`);
  return response.status === 503 && (await response.text()).includes('"starting"');
}
