import {
  type DeferredOutcome,
  folded,
  type PresenceEvent,
  type PresencePolicy,
  type RowRefused,
} from '@presence/domain';
import type pg from 'pg';
import { isConflict, isLockTimeout, refusalOf } from './errors.js';
import { query, transaction } from './pool.js';
import { writePresence } from './presence-writer.js';

/** Events that one transaction applies. */
const AT_A_TIME = 1_000;

/** Applies what was deferred, as far as its rows are free by now. */
export async function applyInbox(pool: pg.Pool, policy: PresencePolicy): Promise<DeferredOutcome> {
  const outcome = { applied: 0, refused: [] as string[] };
  if (!(await holdsAny(pool))) return outcome;
  for (;;) {
    const ids = await due(pool);
    const settled = ids.length === 0 ? 0 : await applyEvents(pool, ids, policy, outcome.refused);
    outcome.applied += settled;
    if (settled === 0) return { ...outcome, applied: outcome.applied - outcome.refused.length };
  }
}

/** Another worker may have done it, and there is no need of locks to see it. */
async function holdsAny(pool: pg.Pool): Promise<boolean> {
  const [row] = await query<{ any: boolean }>(pool, {
    name: 'inbox-any',
    text: 'SELECT EXISTS (SELECT FROM presence_inbox WHERE refused IS NULL) AS any',
  });
  return row!.any;
}

/** Events of rows that nobody has locked at the moment, those of one user together. */
async function due(pool: pg.Pool): Promise<number[]> {
  const rows = await query<{ id: number }>(pool, {
    name: 'inbox-due',
    text: `
      WITH about AS (
        SELECT DISTINCT user_id FROM presence_inbox WHERE refused IS NULL
      ), free AS (
        SELECT user_id FROM user_presence WHERE user_id IN (SELECT user_id FROM about)
        ORDER BY user_id FOR UPDATE SKIP LOCKED
      )
      SELECT id FROM presence_inbox i WHERE refused IS NULL AND ${ROW_IS_FREE}
      ORDER BY user_id, id LIMIT $1`,
    values: [AT_A_TIME],
  });
  return rows.map(({ id }) => id);
}

/** A user who is no more has no row, and nobody to wait for. */
const ROW_IS_FREE = `(user_id IN (SELECT user_id FROM free)
  OR NOT EXISTS (SELECT FROM user_presence p WHERE p.user_id = i.user_id))`;

/**
 * Applies events in one transaction, or, where the database refuses one, by halves until that one
 * is found; it is set aside.
 * @param refused takes the reasons
 * @returns how many are done with
 */
async function applyEvents(
  pool: pg.Pool,
  ids: readonly number[],
  policy: PresencePolicy,
  refused: string[],
): Promise<number> {
  try {
    return await transaction(pool, (client) => applyFree(client, ids, policy));
  } catch (error) {
    if (isLockTimeout(error) || isConflict(error)) return 0; // They are due again.
    const refusal = refusalOf(error);
    if (refusal === undefined) throw error;
    if (ids.length === 1) return setAside(pool, ids[0]!, refusal, refused);
    const middle = Math.ceil(ids.length / 2);
    const first = await applyEvents(pool, ids.slice(0, middle), policy, refused);
    return first + (await applyEvents(pool, ids.slice(middle), policy, refused));
  }
}

/** Leaves out what another has in hand, or has locked since. @returns how many were taken */
async function applyFree(
  client: pg.ClientBase,
  ids: readonly number[],
  policy: PresencePolicy,
): Promise<number> {
  const { rows } = await client.query<PresenceEvent>({
    name: 'inbox-take',
    text: `
      WITH free AS (
        SELECT user_id FROM user_presence
        WHERE user_id IN (SELECT user_id FROM presence_inbox WHERE id = ANY ($1))
        ORDER BY user_id FOR UPDATE SKIP LOCKED
      )
      DELETE FROM presence_inbox i WHERE id = ANY ($1) AND refused IS NULL AND ${ROW_IS_FREE}
      RETURNING user_id AS "userId", type, occurred_at AS "occurredAt", status,
        session_id AS "sessionId"`,
    values: [ids],
  });
  if (rows.length > 0) await writePresence(client, { ...folded(rows), progress: [] }, policy);
  return rows.length;
}

async function setAside(
  pool: pg.Pool,
  id: number,
  { sqlState }: RowRefused,
  refused: string[],
): Promise<number> {
  const rows = await query(pool, {
    name: 'inbox-set-aside',
    text: 'UPDATE presence_inbox SET refused = $2 WHERE id = $1 RETURNING id',
    values: [id, sqlState],
  });
  for (const _row of rows) refused.push(sqlState);
  return rows.length;
}
