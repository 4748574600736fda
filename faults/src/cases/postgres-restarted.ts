import type { Someone } from '../caller.js';
import type { FaultCase } from '../fault-case.js';
import { ask } from '../http.js';
import { lockRows, workerWaits } from '../locked-rows.js';
import type { ForeignEvent } from '../publisher.js';
import type { Trial } from '../trial.js';

/** Nobody asks for anything, so that nobody but the pools hears that it went. */
export const POSTGRES_RESTARTED: FaultCase = {
  number: 14,
  fault: 'Postgres restart, idle pool',
  did: 'restarted with nothing under way; then one read and one write at each API',
  short: true,
  run: async (trial) => {
    const { system } = trial;
    const [who] = await trial.people(1);
    const admin = await trial.admin();
    // Each API has connections, and each worker.
    for (const url of system.addresses()) await useOnce(trial, url, admin, who!);
    const idle = await connections(trial);
    trial.require(idle > 0, 'no pool had an idle connection');
    await system.postgres.restart();
    for (const url of system.addresses()) await useOnce(trial, url, admin, who!);
    await trial.mended();
    system.assertRunning();
  },
};

/** The first answer counts. */
async function useOnce(trial: Trial, api: string, admin: Someone, who: Someone): Promise<void> {
  const url = `${api}/api/users/admin/users/${who.userId}/online-status/`;
  const read = await ask({ method: 'GET', url, token: admin.token, passive: true });
  trial.require(read.code === 200, `a read is answered ${read.code}`);
  const set = await trial.caller.set(api, admin, who, 'away');
  trial.require(set?.code === 200 || set?.code === 202, `a status is answered ${set?.code}`);
}

async function connections({ system }: Trial): Promise<number> {
  const [row] = await system.database.query<{ count: number }>(`
    SELECT count(*)::int AS count FROM pg_stat_activity
    WHERE application_name LIKE 'presence-%' AND state = 'idle'`);
  return row!.count;
}

const ROUNDS = 3;

/** A row is locked, so that a worker is in the middle of a transaction when it goes. */
export const POSTGRES_KILLED: FaultCase = {
  number: 15,
  fault: 'kill -9 Postgres in mid-batch',
  did: `a row is locked; kill -9 while a worker waits for it, ${ROUNDS} times`,
  run: async (trial) => {
    const load = await trial.load();
    for (let round = 0; round < ROUNDS; round++) {
      const { served } = load;
      await killInMidBatch(trial);
      trial.require(load.served > served, 'nobody was served meanwhile');
      await trial.mended();
    }
  },
};

async function killInMidBatch(trial: Trial): Promise<void> {
  const { system } = trial;
  const [first, locked] = await trial.people(2);
  const locker = await lockRows(system, [locked!]);
  const publisher = await trial.publisher();
  // One message, so one transaction, which writes in order of user.
  await publisher.publishBatch([first!, locked!].map(beatOf));
  await workerWaits(system);
  await system.postgres.kill();
  for (const { process } of system.workers) process.signal('SIGSTOP');
  await locker.end().catch(() => {}); // It has gone with the server.
  await system.postgres.restart();
  const { rows } = await system.database.rows([first!.userId, locked!.userId]);
  const seen = [...rows.values()].filter(({ presence }) => presence.lastSeen !== null).length;
  trial.require(seen === 0, `${seen} rows of the batch were not rolled back`);
  for (const { process } of system.workers) process.signal('SIGCONT');
}

function beatOf({ userId, sessionId }: Someone): ForeignEvent {
  return { type: 'heartbeat', userId, sessionId, status: 'online', occurredAt: Date.now() };
}
