import { setTimeout as wait } from 'node:timers/promises';
import type { FaultCase } from '../fault-case.js';
import type { RunningWorker } from '../system.js';
import type { Trial } from '../trial.js';

const LOST = 3;
/** Others commit too, and theirs may come first; then it is tried with somebody else. */
const ATTEMPTS = 30;
/** The bytes that are looked for may come in two pieces. */
const PATIENCE = 3_000;

/** The transaction stands, and the worker does not learn of it. */
export const LOST_COMMIT: FaultCase = {
  number: 17,
  fault: "COMMIT's reply lost",
  did: `the way of the one worker is held at the reply and cut, ${LOST} times`,
  shape: { workers: 0 },
  run: async (trial) => {
    const worker = await trial.system.startWorker({ ways: true });
    await trial.load();
    await trial.mended();
    let lost = 0;
    for (let attempt = 0; lost < LOST && attempt < ATTEMPTS; attempt++) {
      if (await loseReply(trial, worker)) lost++;
    }
    trial.require(lost === LOST, `${lost} replies were lost`);
  },
};

/** @returns whether it was the reply to this commit */
async function loseReply(trial: Trial, { ways }: RunningWorker): Promise<boolean> {
  const { system, caller } = trial;
  const [who] = await trial.people(1);
  const { database } = ways!;
  const written = database.holdBefore(who!.sessionId, 'toServer');
  await caller.heartbeat(system.addresses()[0]!, who!);
  await Promise.race([written, wait(PATIENCE)]);
  const replied = database.holdBefore('COMMIT', 'toClient');
  database.release();
  await Promise.race([replied, wait(PATIENCE)]);
  const committed = await rowOf(trial, who!.userId);
  const isLost = committed.seen;
  if (isLost) database.cut();
  database.mend();
  if (!isLost) return false;
  await trial.mended();
  const { row } = await rowOf(trial, who!.userId);
  trial.require(row === committed.row, `the replay made ${row} of ${committed.row}`);
  return true;
}

/** All of the row, and where it stands on disk: an update that changes nothing shows, too. */
async function rowOf({ system }: Trial, userId: number): Promise<{ seen: boolean; row: string }> {
  const [found] = await system.database.query<{ seen: boolean; row: string }>(
    `SELECT last_seen IS NOT NULL AS seen, p::text || ' at ' || ctid::text AS row
     FROM user_presence p WHERE user_id = $1`,
    [userId],
  );
  return found!;
}
