import {
  type AsOf,
  type AsOfPolicy,
  type AsOfStore,
  advanceAsOf,
  type Duration,
  livePublishers,
  type Millis,
  type Publisher,
  type Publishers,
} from '@presence/domain';
import type pg from 'pg';
import { isLockTimeout } from './errors.js';
import { timestamp } from './event-row.js';
import { query } from './pool.js';

interface ClockRow extends AsOf {
  readonly now: Millis;
  /** The transaction that wrote the clock's row last; its own, where this caller has the turn. */
  readonly version: string;
  readonly mine: boolean;
}

/** The clock beside a publisher; beside none where as-of waits for nobody. */
type GatheredRow = ClockRow & { readonly [Column in keyof Publisher]: Publisher[Column] | null };

/** Whoever has been stopped for longer between reading and writing no longer knows who lives. */
const WRITTEN_WITHIN: Duration = 5_000;

export class PostgresAsOfStore implements AsOfStore {
  readonly #pool: pg.Pool;

  constructor(pool: pg.Pool) {
    this.#pool = pool;
  }

  /**
   * Two statements, with the rules in between. The first one writes the clock's row, too, so that
   * the second one can tell whether anybody has been at it since; then it changes nothing, and the
   * turn is that one's. It writes even where as-of stays: a database that only reads has not
   * answered.
   */
  async advance(policy: AsOfPolicy): Promise<AsOf & { now: Millis; written: boolean }> {
    const rows = await query<GatheredRow>(this.#pool, { name: 'as-of-gather', text: GATHER });
    const { now, version, mine, asOf, movedAt, heldSince } = rows[0]!;
    const current = { asOf, movedAt, heldSince };
    if (!mine) return { ...current, now, written: false };
    const publishers = livePublishers(rows.flatMap(publisherOf), now, policy);
    const next = advanceAsOf(current, publishers, now, policy);
    const written = await this.#write(next, publishers, { now, version });
    return { ...(written ? next : current), now, written };
  }

  /** @returns false where somebody else is or has been at it since, or it was too long ago. */
  async #write(
    { asOf, movedAt, heldSince }: AsOf,
    { gone, silent }: Publishers,
    { now, version }: Pick<ClockRow, 'now' | 'version'>,
  ): Promise<boolean> {
    const moments = [asOf, movedAt, heldSince, now];
    const values = [
      ...moments.map((at) => (at === null ? null : timestamp(at))),
      version,
      gone.map(({ id }) => id),
      WRITTEN_WITHIN,
      silent.map(({ id }) => id),
    ];
    try {
      const rows = await query(this.#pool, { name: 'as-of-write', text: WRITE, values });
      return rows.length > 0;
    } catch (error) {
      if (isLockTimeout(error)) return false;
      throw error;
    }
  }
}

/** Rows of `publishers` that have not been given up, with how far each has settled all of it. */
function reached(publishers: string): string {
  return `
    SELECT p.*, coalesce((SELECT upper(settled) FROM unnest(us_settled) settled
      WHERE settled @> us_since), us_since) AS us_through
    FROM ${publishers} p WHERE gone_at IS NULL`;
}

/** What has said its last word, and all before. */
const CLOSED = 'coalesce(us_through >= us_end, false)';

/**
 * Adds the intervals that batches have settled to their publishers', and reads whom as-of waits
 * for. Whoever has no turn does neither: one whose snapshot is from before the last turn would see
 * neither the marks of that turn nor what it made of them, hence the look at `xmin`.
 *
 * A publisher that is not known is made known by whichever interval comes first: its first message
 * may still be in the hands of another worker. One that could register only later has been there
 * from the moment that its messages name. One that has been given up stays so. An interval is a sign
 * of life of an app; a worker's tick may come back when the worker is long dead. One row a publisher, whatever its messages say of its life: somebody's own implementation
 * may begin anew under its old name. Deferred events are as good as held by a worker that lives.
 *
 * The time is from before the snapshot: however long this takes, nobody looks older than he is.
 */
const GATHER = `
  WITH turn AS (
    UPDATE presence_clock SET as_of = as_of WHERE one = (
      SELECT one FROM presence_clock WHERE xmin = (SELECT xmin FROM presence_clock)
      FOR UPDATE SKIP LOCKED)
    RETURNING as_of, moved_at, held_since, xmin AS version, true AS mine
  ), marks AS (
    DELETE FROM publisher_marks WHERE EXISTS (SELECT FROM turn) RETURNING *
  ), gathered AS (
    SELECT publisher, min(kind) AS kind, min(us_since) AS us_since,
      range_agg(us_settled) AS us_settled,
      max(upper(us_settled)) FILTER (WHERE last) AS us_end
    FROM marks WHERE NOT isempty(us_settled) GROUP BY publisher
  ), told AS (
    INSERT INTO presence_publishers AS p (id, kind, us_since, us_settled, us_end)
    SELECT publisher, kind, us_since, us_settled, us_end FROM gathered
    ON CONFLICT (id) DO UPDATE
    SET us_since = least(p.us_since, excluded.us_since),
      us_settled = p.us_settled + excluded.us_settled,
      us_end = coalesce(p.us_end, excluded.us_end),
      heard_at = CASE p.kind WHEN 'app' THEN clock_timestamp() ELSE p.heard_at END
    RETURNING p.*
  ), known AS (
    SELECT * FROM told
    UNION ALL
    SELECT * FROM presence_publishers WHERE id NOT IN (SELECT id FROM told)
  ), awaited AS (
    SELECT id, kind, us_through / 1000 - 1 AS through, heard_at AS "heardAt",
      CASE WHEN us_gap_at = us_through THEN gap_since END AS "gapSince"
    FROM (${reached('known')}) r WHERE NOT ${CLOSED}
    UNION ALL
    SELECT NULL, 'worker', (extract(epoch FROM min(occurred_at)) * 1000)::bigint - 1,
      clock_timestamp(), NULL
    FROM presence_inbox, turn WHERE occurred_at > as_of AND refused IS NULL
    HAVING count(*) > 0
  )
  SELECT as_of AS "asOf", moved_at AS "movedAt", held_since AS "heldSince", version, mine,
    statement_timestamp() AS now, awaited.*
  FROM (
    SELECT * FROM turn
    UNION ALL
    SELECT as_of, moved_at, held_since, xmin, false FROM presence_clock
    WHERE NOT EXISTS (SELECT FROM turn)
  ) clock LEFT JOIN awaited ON mine`;

/**
 * Moves as-of, lets go whoever is given up or has said its last word, and notes where gaps are:
 * all of it, or nothing where the turn is over, or one that is given up for its silence has spoken
 * after all. Who is given up for a gap may speak: whatever he says, what is missing does not come.
 */
const WRITE = `
  WITH moved AS (
    UPDATE presence_clock SET as_of = $1, moved_at = $2, held_since = $3
    WHERE xmin = $5::xid AND clock_timestamp() < $4::timestamptz + $7 * interval '1 ms'
      AND NOT EXISTS (SELECT FROM presence_publishers WHERE id = ANY ($8::uuid[]) AND heard_at > $4)
    RETURNING as_of
  ), reached AS (
    SELECT *, ${CLOSED} OR id = ANY ($6::uuid[]) AS over, us_through < upper(us_settled) AS gap
    FROM (${reached('presence_publishers')}) r WHERE EXISTS (SELECT FROM moved)
  ), let_go AS (
    UPDATE presence_publishers p SET gone_at = clock_timestamp()
    FROM reached WHERE p.id = reached.id AND over
  ), gaps AS (
    UPDATE presence_publishers p
    SET us_gap_at = CASE WHEN gap THEN us_through END,
      gap_since = CASE WHEN gap THEN clock_timestamp() END
    FROM reached
    WHERE p.id = reached.id AND NOT over
      AND p.us_gap_at IS DISTINCT FROM CASE WHEN gap THEN us_through END
  ), forgotten AS (
    DELETE FROM presence_publishers
    WHERE gone_at < clock_timestamp() - interval '1 day' AND EXISTS (SELECT FROM moved)
  )
  SELECT FROM moved`;

/** The deferred events' publisher has no id, and is one all the same. */
function publisherOf({ id, kind, through, heardAt, gapSince }: GatheredRow): Publisher[] {
  if (kind === null) return [];
  return [{ id: id!, kind, through: through!, heardAt: heardAt!, gapSince }];
}
