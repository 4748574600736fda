import {
  type AsOf,
  type AsOfPolicy,
  type AsOfStore,
  advanceAsOf,
  livePublishers,
  type Millis,
  type Publisher,
} from '@presence/domain';
import type pg from 'pg';
import { timestamp } from './event-row.js';
import { transaction } from './pool.js';

interface ClockRow extends AsOf {
  readonly now: Millis;
}

const CLOCK = `as_of AS "asOf", moved_at AS "movedAt", held_since AS "heldSince",
  clock_timestamp() AS now`;

export class PostgresAsOfStore implements AsOfStore {
  readonly #pool: pg.Pool;

  constructor(pool: pg.Pool) {
    this.#pool = pool;
  }

  /**
   * One caller at a time does the work; for the others as-of is what that one makes it. That one
   * writes even where as-of stays: a database that only reads has not answered.
   */
  advance(policy: AsOfPolicy): Promise<ClockRow & { written: boolean }> {
    return transaction(this.#pool, async (client) => {
      const { rows } = await client.query<ClockRow>({
        name: 'as-of-lock',
        text: `SELECT ${CLOCK} FROM presence_clock FOR UPDATE SKIP LOCKED`,
      });
      const [current] = rows;
      if (current === undefined) return { ...(await this.#readWithin(client)), written: false };
      await gatherMarks(client);
      const { live, gone } = livePublishers(await publishers(client), current.now, policy);
      await giveUp(client, gone);
      const next = advanceAsOf(current, live, current.now, policy);
      await write(client, next);
      return { ...next, now: current.now, written: true };
    });
  }

  async #readWithin(client: pg.ClientBase): Promise<ClockRow> {
    const { rows } = await client.query<ClockRow>({
      name: 'as-of-read',
      text: `SELECT ${CLOCK} FROM presence_clock`,
    });
    return rows[0]!;
  }
}

/**
 * Adds the intervals that batches have settled to their publishers'. One that is not known is made
 * known by whichever comes first: its first message may still be in the hands of another worker. One
 * that has been given up stays so. An interval is a sign of life of an app; a worker's tick may come
 * back when the worker is long dead. One row a publisher, whatever its messages say of its life:
 * somebody's own implementation may begin anew under its old name.
 */
async function gatherMarks(client: pg.ClientBase): Promise<void> {
  await client.query({
    name: 'as-of-gather',
    text: `
      WITH marks AS (
        DELETE FROM publisher_marks RETURNING *
      ), gathered AS (
        SELECT publisher, min(kind) AS kind, min(us_since) AS us_since,
          range_agg(us_settled) AS us_settled,
          max(upper(us_settled)) FILTER (WHERE last) AS us_end
        FROM marks WHERE NOT isempty(us_settled) GROUP BY publisher
      )
      INSERT INTO presence_publishers AS p (id, kind, us_since, us_settled, us_end)
      SELECT publisher, kind, us_since, us_settled, us_end FROM gathered
      ON CONFLICT (id) DO UPDATE
      SET us_settled = p.us_settled + excluded.us_settled,
        us_end = coalesce(p.us_end, excluded.us_end),
        heard_at = CASE p.kind WHEN 'app' THEN clock_timestamp() ELSE p.heard_at END`,
  });
}

/**
 * Those that as-of waits for; whoever has said its last word, and all before, is let go. Deferred
 * events are as good as held by a worker that lives.
 */
async function publishers(client: pg.ClientBase): Promise<Publisher[]> {
  const { rows } = await client.query<Publisher>({
    name: 'as-of-publishers',
    text: `
      WITH reached AS (
        SELECT p.*, coalesce((SELECT upper(settled) FROM unnest(us_settled) settled
          WHERE settled @> us_since), us_since) AS us_through
        FROM presence_publishers p WHERE gone_at IS NULL
      ), closed AS (
        UPDATE presence_publishers p SET gone_at = clock_timestamp()
        FROM reached WHERE p.id = reached.id AND reached.us_through >= reached.us_end
        RETURNING p.id
      ), gaps AS (
        UPDATE presence_publishers p
        SET us_gap_at = CASE WHEN gap THEN us_through END,
          gap_since = CASE WHEN gap THEN clock_timestamp() END
        FROM (SELECT id, us_through, us_through < upper(us_settled) AS gap FROM reached) seen
        WHERE p.id = seen.id
          AND p.us_gap_at IS DISTINCT FROM CASE WHEN gap THEN us_through END
      ), forgotten AS (
        DELETE FROM presence_publishers WHERE gone_at < clock_timestamp() - interval '1 day'
      )
      SELECT id, kind, us_through / 1000 - 1 AS through, heard_at AS "heardAt",
        CASE WHEN us_gap_at = us_through THEN gap_since END AS "gapSince"
      FROM reached WHERE id NOT IN (SELECT id FROM closed)
      UNION ALL
      SELECT NULL, 'worker', (extract(epoch FROM min(occurred_at)) * 1000)::bigint - 1,
        clock_timestamp(), NULL
      FROM presence_inbox, presence_clock WHERE occurred_at > as_of AND refused IS NULL
      HAVING count(*) > 0`,
  });
  return rows;
}

async function giveUp(client: pg.ClientBase, gone: readonly Publisher[]): Promise<void> {
  if (gone.length === 0) return;
  await client.query({
    name: 'as-of-give-up',
    text: `UPDATE presence_publishers SET gone_at = clock_timestamp() WHERE id = ANY ($1)`,
    values: [gone.map(({ id }) => id)],
  });
}

async function write(client: pg.ClientBase, { asOf, movedAt, heldSince }: AsOf): Promise<void> {
  await client.query({
    name: 'as-of-write',
    text: `UPDATE presence_clock SET as_of = $1, moved_at = $2, held_since = $3`,
    values: [asOf, movedAt, heldSince].map((at) => (at === null ? null : timestamp(at))),
  });
}
