import { Agent } from 'node:http';
import type { FaultCase } from '../fault-case.js';
import { ask } from '../http.js';
import { lockRows, workerWaits } from '../locked-rows.js';
import type { RunningApi, RunningWorker } from '../system.js';
import type { Trial } from '../trial.js';

const ROUNDS = 3;
const UNDER_WAY = 10;
const EXITS_WITHIN = 10_000;

/** A row is locked, so that requests are under way, and a transaction, when the signal comes. */
export const TERMINATED: FaultCase = {
  number: 29,
  fault: 'SIGTERM under load, API and worker',
  did: `an API with ${UNDER_WAY} requests under way, then a worker in a transaction, ${ROUNDS} times`,
  shape: { apis: 2, workers: 2 },
  run: async (trial) => {
    const load = await trial.load();
    for (let round = 0; round < ROUNDS; round++) {
      const served = load.served;
      await endApi(trial);
      await endWorker(trial);
      trial.require(load.served > served + 50, 'nobody was served meanwhile');
    }
    await trial.mended();
  },
};

/** Every request that it has taken up is answered. */
async function endApi(trial: Trial): Promise<void> {
  const { system } = trial;
  const [ending] = system.apis;
  const people = await trial.people(UNDER_WAY);
  const locker = await lockRows(system, people);
  try {
    const admin = await trial.admin();
    const sets = people.map((who) => trial.caller.set(ending!.url, admin, who, 'away'));
    await takenUp(ending!.url);
    await workerWaits(system);
    await requireOrderlyEnd(trial, 'an API', ending!);
    const answers = await Promise.all(sets);
    const codes = answers.map((answer) => answer?.code ?? 'nothing');
    const good = codes.every((code) => code === 200 || code === 202);
    trial.require(good, `what was under way was told ${codes.join(', ')}`);
  } finally {
    await locker.end();
  }
  await system.startApi();
}

/**
 * Resolves when requests made before have been read: a connection that nobody has accepted yet ends
 * with the listener. Connections are accepted in the order in which they came; the second answer is
 * of a later turn than all that the first one found waiting.
 */
async function takenUp(api: string): Promise<void> {
  for (let turn = 0; turn < 2; turn++) {
    const agent = new Agent({ keepAlive: false });
    await ask({ method: 'GET', url: `${api}/health/live`, agent });
  }
}

/** What it has begun it commits, or leaves to the other one. */
async function endWorker(trial: Trial): Promise<void> {
  const { system } = trial;
  const [ending] = system.workers;
  const people = await trial.people(UNDER_WAY);
  const locker = await lockRows(system, people);
  try {
    const api = system.addresses()[0]!;
    await Promise.all(people.map((who) => trial.caller.heartbeat(api, who)));
    await workerWaits(system);
    await requireOrderlyEnd(trial, 'a worker', ending!);
  } finally {
    await locker.end();
  }
  await system.startWorker();
}

async function requireOrderlyEnd(
  trial: Trial,
  what: string,
  one: RunningApi | RunningWorker,
): Promise<void> {
  const { code, after } = await trial.system.end(one);
  trial.note(`${what} exits with ${code} after ${(after / 1_000).toFixed(1)} s`);
  trial.require(code === 0, `${what} exits with ${code}`);
  trial.require(after <= EXITS_WITHIN, `${what} exits after ${after.toFixed(0)} ms`);
}
