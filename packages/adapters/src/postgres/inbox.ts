import {
  folded,
  type PresenceEvent,
  type PresencePolicy,
  type RefusalReason,
  type RefusedEvent,
  type RowRefused,
  type UserId,
} from '@presence/domain';
import type pg from 'pg';
import { isConflict, isLockTimeout, refusalOf } from './errors.js';
import { query, transaction } from './pool.js';
import { writePresence } from './presence-writer.js';

/** Users whose rows are looked at by one statement, and events that one transaction applies. */
const AT_A_TIME = 1_000;

/** How many events are done with. */
interface Settled {
  readonly applied: number;
  readonly refused: number;
}

const NONE: Settled = { applied: 0, refused: 0 };

/**
 * Applies what was deferred, as far as its rows are free by now. It goes through the users once, by
 * number: however many are locked, or in the hands of another worker, each is looked at once.
 * @returns how many events
 */
export async function applyInbox(pool: pg.Pool, policy: PresencePolicy): Promise<number> {
  let applied = 0;
  let place: Place | null = (await holdsAny(pool)) ? FIRST : null;
  while (place !== null) {
    const { ids, last } = await due(pool, place);
    const settled = ids.length === 0 ? NONE : await applyEvents(pool, ids, policy);
    applied += settled.applied;
    // There may be more of these users, unless nothing of them could be had.
    const isCut = ids.length === AT_A_TIME && settled.applied + settled.refused > 0;
    if (!isCut) place = last;
  }
  return applied;
}

/** Another worker may have done it, and there is no need of locks to see it. */
async function holdsAny(pool: pg.Pool): Promise<boolean> {
  const [row] = await query<{ any: boolean }>(pool, {
    name: 'inbox-any',
    text: 'SELECT EXISTS (SELECT FROM presence_inbox WHERE refused IS NULL) AS any',
  });
  return row!.any;
}

/** Behind which user to go on. */
type Place = UserId;

const FIRST: Place = 0;

/** Events of rows that nobody has locked at the moment, those of one user together. */
interface Due {
  readonly ids: readonly number[];
  /** The last user who was looked at; `null` where there is none any more. */
  readonly last: Place | null;
}

/** Of the users behind that place, so many. None is locked who is not looked at. */
async function due(pool: pg.Pool, place: Place): Promise<Due> {
  const [row] = await query<Due>(pool, {
    name: 'inbox-due',
    text: `
      WITH about AS MATERIALIZED (
        SELECT DISTINCT user_id FROM presence_inbox WHERE refused IS NULL AND user_id > $1
        ORDER BY user_id LIMIT $2
      ), free AS (
        SELECT user_id FROM user_presence WHERE user_id = ANY (ARRAY(SELECT user_id FROM about))
        ORDER BY user_id FOR UPDATE SKIP LOCKED
      )
      SELECT (SELECT max(user_id) FROM about) AS last, ARRAY(
        SELECT id FROM presence_inbox i
        WHERE refused IS NULL AND user_id = ANY (ARRAY(SELECT user_id FROM about))
          AND ${ROW_IS_FREE}
        ORDER BY user_id, id LIMIT $2) AS ids`,
    values: [place, AT_A_TIME],
  });
  return row!;
}

/** The event that a row of the inbox holds. */
const EVENT = `user_id AS "userId", type, occurred_at AS "occurredAt", status,
  session_id AS "sessionId"`;

/** A user who is no more has no row, and nobody to wait for. */
const ROW_IS_FREE = `(user_id IN (SELECT user_id FROM free)
  OR NOT EXISTS (SELECT FROM user_presence p WHERE p.user_id = i.user_id))`;

/**
 * Applies events in one transaction, or, where the database refuses one, by halves until that one
 * is found; it is set aside.
 */
async function applyEvents(
  pool: pg.Pool,
  ids: readonly number[],
  policy: PresencePolicy,
): Promise<Settled> {
  try {
    const applied = await transaction(pool, (client) => applyFree(client, ids, policy));
    return { applied, refused: 0 };
  } catch (error) {
    if (isLockTimeout(error) || isConflict(error)) return NONE; // They are due again.
    const refusal = refusalOf(error);
    if (refusal === undefined) throw error;
    if (ids.length === 1) return { applied: 0, refused: await setAside(pool, ids[0]!, refusal) };
    const middle = Math.ceil(ids.length / 2);
    const first = await applyEvents(pool, ids.slice(0, middle), policy);
    const second = await applyEvents(pool, ids.slice(middle), policy);
    return { applied: first.applied + second.applied, refused: first.refused + second.refused };
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
      RETURNING ${EVENT}`,
    values: [ids],
  });
  if (rows.length > 0) await writePresence(client, { ...folded(rows), progress: [] }, policy);
  return rows.length;
}

/**
 * Committed before it is buried: as-of does not wait for a queue that is away.
 * @returns how many: none where another worker has done so
 */
async function setAside(pool: pg.Pool, id: number, { sqlState }: RowRefused): Promise<number> {
  const rows = await query(pool, {
    name: 'inbox-set-aside',
    text: `
      UPDATE presence_inbox SET refused = $2 WHERE id = (
        SELECT id FROM presence_inbox WHERE id = $1 AND refused IS NULL FOR UPDATE SKIP LOCKED)
      RETURNING id`,
    values: [id, sqlState],
  });
  return rows.length;
}

/**
 * Hands over what was set aside. It is deleted in the transaction in which it is buried: who dies in
 * between leaves it, and it is buried twice.
 */
export async function buryRefused(
  pool: pg.Pool,
  limit: number,
  bury: (refused: readonly RefusedEvent[]) => Promise<void>,
): Promise<readonly RefusalReason[]> {
  return transaction(pool, async (client) => {
    const refused = await takeRefused(client, limit);
    if (refused.length > 0) await bury(refused);
    return refused.map(({ reason }) => reason);
  });
}

async function takeRefused(client: pg.ClientBase, limit: number): Promise<RefusedEvent[]> {
  const { rows } = await client.query<PresenceEvent & { readonly refused: string }>({
    name: 'inbox-take-refused',
    text: `
      DELETE FROM presence_inbox WHERE id = ANY (ARRAY(
        SELECT id FROM presence_inbox WHERE refused IS NOT NULL
        ORDER BY id LIMIT $1 FOR UPDATE SKIP LOCKED))
      RETURNING ${EVENT}, refused`,
    values: [limit],
  });
  return rows.map(({ refused, ...event }) => ({ event, reason: `database:${refused}` }));
}
