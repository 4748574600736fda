import {
  type AppliedBatch,
  type DueWork,
  type Duration,
  type PresenceBatch,
  type PresencePolicy,
  type PresenceStore,
  type RefusalReason,
  type RefusedEvent,
  RowsLocked,
  Unavailable,
  type UserId,
} from '@presence/domain';
import type pg from 'pg';
import { progressMarks } from './as-of-marks.js';
import { ROW_CHANGES } from './change-row.js';
import { isConflict, isLockTimeout, refusalOf } from './errors.js';
import { applyInbox, buryRefused } from './inbox.js';
import { ask, LOOK_TIMEOUT, query, transactionWithEnding } from './pool.js';
import { joinPresence } from './presence-writer.js';
import { CLOCK, silentBefore } from './visibility.js';

/** So few rows to add up are as good as one. */
const FEW_COUNTS = 16;

/** A transaction that lost against another one is done again at once, this many times. */
const ATTEMPTS = 5;

export class PostgresPresenceStore implements PresenceStore {
  readonly #pool: pg.Pool;
  readonly #policy: PresencePolicy;

  constructor(pool: pg.Pool, policy: PresencePolicy) {
    this.#pool = pool;
    this.#policy = policy;
  }

  async apply(batch: PresenceBatch): Promise<AppliedBatch> {
    if (isProgressAlone(batch)) return this.#applyProgress(batch);
    for (let attempt = 1; ; attempt++) {
      try {
        return await transactionWithEnding(this.#pool, (client) =>
          joinPresence(client, batch, this.#policy),
        );
      } catch (error) {
        if (isLockTimeout(error)) await this.#throwLocked(batch);
        else if (!isConflict(error)) throw refusalOf(error) ?? error;
        if (attempt === ATTEMPTS) throw new Unavailable('database', 1_000, { cause: error });
      }
    }
  }

  async locked(userIds: readonly UserId[]): Promise<ReadonlySet<UserId>> {
    const rows = await ask<{ userId: UserId }>(this.#pool, {
      name: 'presence-locked',
      text: `
        WITH free AS (
          SELECT user_id FROM user_presence WHERE user_id = ANY ($1)
          ORDER BY user_id FOR UPDATE SKIP LOCKED
        )
        SELECT user_id AS "userId" FROM user_presence
        WHERE user_id = ANY ($1) AND user_id NOT IN (SELECT user_id FROM free)`,
      values: [userIds],
    });
    return new Set(rows.map(({ userId }) => userId));
  }

  async due(): Promise<DueWork> {
    const [row] = await query<DueWork>(this.#pool, {
      name: 'presence-due',
      query_timeout: LOOK_TIMEOUT,
      text: DUE,
      values: [this.#policy.offlineAfter],
    });
    return row!;
  }

  async sweep(limit: number, turn: Duration): Promise<number | null> {
    const [row] = await query<{ mine: boolean; swept: number }>(this.#pool, {
      name: 'presence-sweep',
      text: SWEEP,
      values: [this.#policy.offlineAfter, limit, turn],
    });
    return row!.mine ? row!.swept : null;
  }

  applyDeferred(): Promise<number> {
    return applyInbox(this.#pool, this.#policy);
  }

  buryRefused(
    limit: number,
    bury: (refused: readonly RefusedEvent[]) => Promise<void>,
  ): Promise<readonly RefusalReason[]> {
    return buryRefused(this.#pool, limit, bury);
  }

  async foldCounts(): Promise<void> {
    await query(this.#pool, { name: 'counts-fold', text: FOLD_COUNTS, values: [FEW_COUNTS] });
  }

  async prune(limit: number): Promise<number> {
    const rows = await query(this.#pool, {
      text: `
        WITH due AS MATERIALIZED (
          SELECT user_id, session_id FROM ended_sessions e WHERE expires_at < now()
          -- A message ended its presence, but not its tokens: they are renewed, and still come.
          AND NOT EXISTS (SELECT FROM login_sessions s WHERE s.ended_at IS NULL
            AND s.user_id = e.user_id AND s.session_id = e.session_id)
          LIMIT $1 FOR UPDATE SKIP LOCKED
        )
        DELETE FROM ended_sessions e USING due
        WHERE e.user_id = due.user_id AND e.session_id = due.session_id RETURNING 1`,
      values: [limit],
    });
    return rows.length;
  }

  /** Ticks, a few a second and for ever: one statement needs no transaction around it. */
  async #applyProgress({ progress }: PresenceBatch): Promise<AppliedBatch> {
    if (progress.length > 0) await query(this.#pool, progressMarks(progress));
    return { unknown: new Set(), current: new Map(), announced: false };
  }

  /**
   * @throws RowsLocked with the users whose rows cannot be had now, unless all can after all;
   *   Unavailable where it is the table that is locked
   */
  async #throwLocked({ events }: PresenceBatch): Promise<void> {
    const userIds = events.map(({ userId }) => userId);
    const locked = await this.locked(userIds);
    if (locked.size > 0) throw new RowsLocked([...locked]);
  }
}

function isProgressAlone({ events, ended, deferred = [], awaited = [] }: PresenceBatch): boolean {
  return events.length + ended.length + deferred.length + awaited.length === 0;
}

/** Rows that another is folding are left to it. */
const FOLD_COUNTS = `
  WITH taken AS (
    DELETE FROM presence_counts WHERE id = ANY (ARRAY(
      SELECT id FROM presence_counts WHERE (SELECT count(*) > $1 FROM presence_counts)
      FOR UPDATE SKIP LOCKED))
    RETURNING online, away
  )
  INSERT INTO presence_counts (online, away)
  SELECT sum(online), sum(away) FROM taken HAVING count(*) > 0`;

/** Looked up once: joined with the clock, all who are online may be gone through (0.4 s a million). */
const SILENT_BEFORE = `(SELECT silent_before FROM ${CLOCK})`;

/**
 * Rows that are due, in a shape that leaves the planner no way but the index: in no order it may read
 * the whole table (66 µs of the processor a row, with 100,000 users; now 21).
 */
function silent(condition: string): string {
  return `SELECT p.user_id FROM user_presence p
    WHERE ${condition} AND ${silentBefore(SILENT_BEFORE)}
    ORDER BY p.online_status, p.last_seen DESC, p.user_id`;
}

/** The least id, since an EXISTS may walk through all that was deleted lately. */
const DUE = `
  SELECT (SELECT min(id) FROM presence_outbox) IS NOT NULL AS changes,
    EXISTS (SELECT FROM presence_inbox WHERE refused IS NULL) AS deferred,
    EXISTS (SELECT FROM presence_inbox WHERE refused IS NOT NULL) AS refused,
    EXISTS (SELECT FROM (${silent('true')} LIMIT 1) s) AS silent`;

/**
 * The rows that are due come from the index; each is locked and looked at again before it is
 * written, so a heartbeat that comes in between wins. What goes into the outbox mirrors the
 * domain's expiryStep, packed as change-row.ts does.
 *
 * A turn that another has, or had a moment ago, is not waited for; a clock that was set back does
 * not keep turns from coming.
 *
 * With a join in place of the array, too, the planner may read the whole table for each chunk.
 */
const SWEEP = `
  WITH turn AS (
    UPDATE presence_sweep SET at = clock_timestamp() WHERE one = (
      SELECT one FROM presence_sweep
      WHERE at <= clock_timestamp() - $3 * interval '1 ms' OR at > clock_timestamp()
      FOR UPDATE SKIP LOCKED)
    RETURNING at
  ), due AS (
    ${silent('EXISTS (SELECT FROM turn)')}
    LIMIT $2 FOR UPDATE OF p SKIP LOCKED
  ), swept AS (
    UPDATE user_presence p
    SET online_status = 'offline', found_status = p.online_status, found_seen = p.last_seen
    WHERE p.user_id = ANY (ARRAY(SELECT user_id FROM due))
    RETURNING p.user_id, p.found_status, (extract(epoch FROM p.last_seen) * 1000)::bigint AS seen
  ), announced AS (
    INSERT INTO presence_outbox (size, changes)
    SELECT count(*), json_agg(json_build_array(user_id, found_status, 'offline',
      seen + $1::bigint, seen, 'expired'))
    FROM (SELECT *, (row_number() OVER () - 1) / ${ROW_CHANGES} AS part FROM swept) s
    GROUP BY part
    RETURNING size
  )
  SELECT EXISTS (SELECT FROM turn) AS mine,
    coalesce((SELECT sum(size) FROM announced), 0)::int AS swept`;
