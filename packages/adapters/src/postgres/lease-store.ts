import type { Duration, LeaseStore, Progress } from '@presence/domain';
import type pg from 'pg';
import { query } from './pool.js';

/** A connection that says nothing is given up while the lease still holds, and another is tried. */
const RENEWAL_TIMEOUT: Duration = 2_500;

export class PostgresLeaseStore implements LeaseStore {
  readonly #pool: pg.Pool;

  constructor(pool: pg.Pool) {
    this.#pool = pool;
  }

  /**
   * A worker takes over from as-of: until its first tick has come through the queue, nothing is
   * known of what lies in there.
   */
  async register(publisher: string, kind: Progress['kind'], since: number): Promise<number> {
    const [row] = await query<{ since: number }>(this.#pool, {
      name: 'lease-register',
      text: `
        INSERT INTO presence_publishers (id, kind, us_since)
        SELECT $1, $2, CASE WHEN $2 = 'app' THEN $3::bigint
          ELSE least($3, (extract(epoch FROM as_of) * 1000000)::bigint) END
        FROM presence_clock
        ON CONFLICT (id) DO UPDATE SET heard_at = clock_timestamp()
        RETURNING us_since AS since`,
      values: [publisher, kind, since],
    });
    return row!.since;
  }

  async renew(publisher: string): Promise<boolean> {
    const renewed = await query(this.#pool, {
      name: 'lease-renew',
      query_timeout: RENEWAL_TIMEOUT,
      text: `UPDATE presence_publishers SET heard_at = clock_timestamp()
        WHERE id = $1 AND gone_at IS NULL RETURNING id`,
      values: [publisher],
    });
    return renewed.length > 0;
  }

  /**
   * A registration that comes after it, or an interval, does not bring the publisher back. Where none
   * came before, what it was and since when matters to nobody.
   */
  async release(publisher: string): Promise<void> {
    await query(this.#pool, {
      name: 'lease-release',
      query_timeout: RENEWAL_TIMEOUT,
      text: `INSERT INTO presence_publishers AS p (id, kind, us_since, gone_at)
        VALUES ($1, 'app', 0, clock_timestamp())
        ON CONFLICT (id) DO UPDATE SET gone_at = coalesce(p.gone_at, excluded.gone_at)`,
      values: [publisher],
    });
  }
}
