import { setTimeout as wait } from 'node:timers/promises';
import { eventually } from '@presence/test-services';
import type { Someone } from '../caller.js';
import type { FaultCase } from '../fault-case.js';
import { lockInto, workerWaits } from '../locked-rows.js';
import type { ForeignEvent, Publisher } from '../publisher.js';
import type { Trial } from '../trial.js';

const WORKERS = 4;
const PEOPLE = 200;
const ROUNDS = 60;
const FORCED = 3;
/** Long enough for the other transaction to close the ring, shorter than the lock timeout. */
const LOOKS_AFTER = 400;

/** PostgreSQL ends the transaction that looks first: here it is always the worker's. */
export const DEADLOCK: FaultCase = {
  number: 19,
  fault: 'four workers, opposite orders',
  did: `messages that name the same ${PEOPLE} people in opposite orders; ${FORCED} deadlocks by hand`,
  shape: { workers: WORKERS },
  run: async (trial) => {
    await trial.load();
    const before = await deadlocks(trial);
    await publishInOppositeOrders(trial);
    const own = (await deadlocks(trial)) - before;
    trial.require(own === 0, `${own} deadlocks between workers`);
    await setting(trial, `SET deadlock_timeout = ${LOOKS_AFTER}`);
    for (let time = 0; time < FORCED; time++) await forceDeadlock(trial);
    await setting(trial, 'RESET deadlock_timeout');
    const forced = (await deadlocks(trial)) - before - own;
    trial.require(forced >= FORCED, `${forced} deadlocks were forced`);
    await trial.mended();
  },
};

/** Sessions end in some of them: those batches lock rows before they write them. */
async function publishInOppositeOrders(trial: Trial): Promise<void> {
  const people = await trial.people(PEOPLE);
  const publishers = await Promise.all(Array.from({ length: WORKERS }, () => trial.publisher()));
  await Promise.all(
    publishers.map(async (publisher, at) => {
      const order = at % 2 === 0 ? people : people.toReversed();
      for (let round = 0; round < ROUNDS; round++) await publishRound(publisher, order, round);
    }),
  );
  await eventually(async () => (await trial.system.queue.queuedAndHeld()) < 10, { within: 60_000 });
}

async function publishRound(
  publisher: Publisher,
  people: readonly Someone[],
  round: number,
): Promise<void> {
  const status = round % 2 === 0 ? 'away' : 'online';
  const batch = people.map((who) => eventOf(who, 'heartbeat', status));
  const leaving = people[round % people.length]!;
  const logout = { ...eventOf(leaving, 'logout', 'offline'), sessionId: `round ${round}` };
  await Promise.all([publisher.publishBatch(batch), publisher.publish(logout)]);
}

function eventOf(
  { userId, sessionId }: Someone,
  type: ForeignEvent['type'],
  status: ForeignEvent['status'],
): ForeignEvent {
  return { type, userId, sessionId, status, occurredAt: Date.now() };
}

/**
 * A worker locks the first row and waits for the second; the other transaction has the second,
 * and then asks for the first.
 */
async function forceDeadlock(trial: Trial): Promise<void> {
  const { system } = trial;
  const [first, second] = await trial.people(2);
  const publisher = await trial.publisher();
  const other = await system.database.connect();
  try {
    await other.query(`SET deadlock_timeout = '1min'`);
    await other.query('BEGIN');
    await lockInto(other, [second!]);
    await publisher.publishBatch([first!, second!].map((who) => eventOf(who, 'heartbeat', 'away')));
    await workerWaits(system);
    await lockInto(other, [first!]);
    await wait(100); // It is tried again, and waits again.
    await other.query('ROLLBACK');
  } finally {
    await other.end();
  }
  await eventually(async () => {
    const { rows } = await system.database.rows([first!.userId, second!.userId]);
    return [...rows.values()].every(({ shown }) => shown === 'away');
  });
}

interface Count {
  readonly count: number;
}

/** For every connection that stands, and those to come. */
async function setting({ system }: Trial, change: string): Promise<void> {
  await system.database.query(`ALTER SYSTEM ${change}`);
  await system.database.query('SELECT pg_reload_conf()');
}

/** Told with a delay of up to half a second. */
async function deadlocks({ system }: Trial): Promise<number> {
  await wait(1_000);
  const [row] = await system.database.query<Count>(
    `SELECT deadlocks::int AS count FROM pg_stat_database WHERE datname = current_database()`,
  );
  return row!.count;
}
