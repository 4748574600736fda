import { eventually } from '@presence/test-services';
import type pg from 'pg';
import type { Someone } from './caller.js';
import type { System } from './system.js';

/** The workers' transactions that wait for a row which somebody has locked. */
const WAITING = `
  SELECT pid FROM pg_stat_activity
  WHERE application_name = 'presence-worker' AND wait_event_type = 'Lock' AND query !~* 'advisory'`;

/** Somebody's transaction, which has the rows of these people until it ends. */
export async function lockRows(system: System, people: readonly Someone[]): Promise<pg.Client> {
  const locker = await system.database.connect();
  await locker.query('BEGIN');
  await lockInto(locker, people);
  return locker;
}

/** The same in a transaction that is begun already. */
export async function lockInto(locker: pg.Client, people: readonly Someone[]): Promise<void> {
  const ids = people.map(({ userId }) => userId);
  const text = 'SELECT FROM user_presence WHERE user_id = ANY ($1) ORDER BY user_id FOR UPDATE';
  await locker.query(text, [ids]);
}

/** Resolves while a worker is in a transaction, and waits. */
export async function workerWaits(system: System): Promise<void> {
  await eventually(async () => (await system.database.query(WAITING)).length > 0, { every: 5 });
}
