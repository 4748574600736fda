import { setTimeout as wait } from 'node:timers/promises';
import { eventually } from '@presence/test-services';
import type { Someone } from '../caller.js';
import type { FaultCase } from '../fault-case.js';
import type { Load } from '../load.js';
import { lockRows } from '../locked-rows.js';
import type { Trial } from '../trial.js';

const LOCKED = 60_000;
const LOOK_EVERY = 1_000;
/** A heartbeat is in reads within a second; a locked row adds the lock timeout once. */
const MOVES_WITHIN = 3_000;
const APPLIED_WITHIN = 5_000;

/** Whoever holds the lock does nothing: a forgotten psql, say. */
export const LOCKED_ROW: FaultCase = {
  number: 18,
  fault: 'a row locked for 60 s by somebody',
  did: 'its user beats, and an admin sets them; others are set, and looked at, each second',
  run: async (trial) => {
    const { system } = trial;
    const load = await trial.load();
    const [locked, other] = await trial.people(2);
    const locker = await lockRows(system, [locked!]);
    try {
      await speakOn(trial, load, locked!, other!);
      const { rows } = await system.database.rows([locked!.userId]);
      const untouched = rows.get(locked!.userId)?.presence.lastSeen === null;
      trial.require(untouched, 'the row was not locked');
    } finally {
      await locker.query('ROLLBACK');
      await locker.end();
    }
    const free = performance.now();
    await eventually(
      async () => {
        const { rows } = await system.database.rows([locked!.userId]);
        return rows.get(locked!.userId)?.presence.lastSeen !== null;
      },
      { within: 60_000 },
    );
    const after = performance.now() - free;
    trial.require(after <= APPLIED_WITHIN, `applied ${after.toFixed(0)} ms after the lock`);
    await trial.mended();
  },
};

async function speakOn(trial: Trial, load: Load, locked: Someone, other: Someone): Promise<void> {
  const { system, caller } = trial;
  const admin = await trial.admin();
  const began = performance.now();
  const moved: number[] = [];
  const served = load.served;
  while (performance.now() - began < trial.long(LOCKED)) {
    const api = system.addresses()[moved.length % 2]!;
    const beat = await caller.heartbeat(api, locked);
    trial.require(beat?.code === 200, `a heartbeat of a locked row is answered ${beat?.code}`);
    moved.push(await move(trial, api, other));
    await wait(LOOK_EVERY);
  }
  const set = await caller.set(system.addresses()[0]!, admin, locked, 'away');
  trial.require(set?.code === 202, `a status of a locked row is answered ${set?.code}`);
  const slowest = Math.max(...moved);
  trial.note(`others' rows move within ${slowest.toFixed(0)} ms, ${moved.length} times`);
  trial.require(slowest <= MOVES_WITHIN, `another row moved after ${slowest.toFixed(0)} ms`);
  trial.require(load.served > served + 50, 'nobody else was served meanwhile');
}

/** @returns how long it took until a heartbeat was in its row, in milliseconds */
async function move({ system, caller }: Trial, api: string, who: Someone): Promise<number> {
  const began = performance.now();
  const answer = await caller.heartbeat(api, who);
  const at = Date.parse(answer?.body?.last_seen);
  await eventually(
    async () => {
      const { rows } = await system.database.rows([who.userId]);
      return (rows.get(who.userId)?.presence.lastSeen ?? 0) >= at;
    },
    { within: 30_000 },
  );
  return performance.now() - began;
}
