import { setTimeout as wait } from 'node:timers/promises';
import { eventually } from '@presence/test-services';
import type { FaultCase } from '../fault-case.js';
import type { Load } from '../load.js';
import type { System } from '../system.js';
import type { Trial } from '../trial.js';

const REFUSED = 15_000;
/** What `worker.ts` waits for an answer, and a look. */
const PAUSES_WITHIN = 15_000;
const RESUMES_WITHIN = 15_000;

interface Refusal {
  begin(system: System): Promise<unknown>;
  end(system: System): Promise<unknown>;
}

/** As when the primary has become a standby, and as PostgreSQL says when nothing more fits. */
const REFUSALS: Readonly<Record<string, Refusal>> = {
  'read-only': {
    begin: (system) => setting(system, 'SET default_transaction_read_only = on'),
    end: (system) => setting(system, 'RESET default_transaction_read_only'),
  },
  'disk full': {
    async begin(system) {
      await system.database.query(`
        CREATE FUNCTION disk_full() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
          RAISE EXCEPTION 'No space left on device' USING ERRCODE = '53100';
        END $$`);
      await eachTable(system, 'CREATE TRIGGER disk_full BEFORE INSERT OR UPDATE ON', EXECUTE);
    },
    async end(system) {
      await eachTable(system, 'DROP TRIGGER IF EXISTS disk_full ON');
      await system.database.query('DROP FUNCTION disk_full()');
    },
  },
};

const EXECUTE = 'FOR EACH STATEMENT EXECUTE FUNCTION disk_full()';

/** For every connection that stands, and those to come. */
async function setting(system: System, change: string): Promise<void> {
  await system.database.query(`ALTER SYSTEM ${change}`);
  await system.database.query('SELECT pg_reload_conf()');
}

/** One at a time: several in one transaction would make a deadlock with those who write. */
async function eachTable(system: System, before: string, after = ''): Promise<void> {
  const tables = await system.database.query<{ name: string }>(
    `SELECT tablename AS name FROM pg_tables WHERE schemaname = 'public'`,
  );
  for (const { name } of tables) await system.database.query(`${before} ${name} ${after}`);
}

export const POSTGRES_REFUSES: FaultCase = {
  number: 20,
  fault: 'Postgres read-only or disk full',
  did: `each for ${REFUSED / 1_000} s; the full disk by a trigger on every table`,
  run: async (trial) => {
    for (const [name, { begin, end }] of Object.entries(REFUSALS)) {
      const load = await trial.load();
      await eventually(() => load.served > 100);
      await begin(trial.system);
      try {
        await sitOut(trial, name, load);
      } finally {
        await end(trial.system);
      }
      const since = performance.now();
      const all = trial.system.workers.length;
      await eventually(async () => (await trial.system.queue.consumers()) === all, {
        within: 60_000,
      });
      const resumed = performance.now() - since;
      trial.note(`${name}: consuming resumes after ${(resumed / 1_000).toFixed(1)} s`);
      trial.require(resumed <= RESUMES_WITHIN, `resumes after ${resumed.toFixed(0)} ms`);
      await trial.mended();
      await trial.stopLoads();
    }
  },
};

/** Whoever cannot write hands back, takes nothing, and heartbeats wait in the queue. */
async function sitOut(trial: Trial, name: string, load: Load): Promise<void> {
  const { system } = trial;
  const began = performance.now();
  await eventually(async () => (await system.queue.consumers()) === 0, { within: PAUSES_WITHIN });
  trial.note(`${name}: consuming pauses after ${((performance.now() - began) / 1e3).toFixed(1)} s`);
  await eventually(async () => (await system.queue.held()) === 0);
  const { codes } = load.tallies.heartbeat;
  const [taken, queued] = [codes.get(200) ?? 0, await system.queue.queued()];
  await wait(Math.max(2_000, REFUSED - (performance.now() - began)));
  trial.require((codes.get(200) ?? 0) > taken, 'no heartbeat was taken meanwhile');
  trial.require((await system.queue.queued()) > queued, 'nothing waited in the queue');
  trial.require(codes.size === 1, `heartbeats: ${[...codes].map(String).join('; ')}`);
}
