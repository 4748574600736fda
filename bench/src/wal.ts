import type pg from 'pg';

/** How far the server's log is written, in bytes since it was made. */
export async function walBytes(pool: pg.Pool): Promise<number> {
  const { rows } = await pool.query<{ at: number }>(
    `SELECT pg_wal_lsn_diff(pg_current_wal_insert_lsn(), '0/0')::float8 AS at`,
  );
  return rows[0]!.at;
}
