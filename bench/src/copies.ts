import type pg from 'pg';

/** Columns and indexes of the table that presence has, as CREATE TABLE takes them. */
export const LIKE_PRESENCE = '(LIKE user_presence INCLUDING ALL)';

/** The storage settings of the table that presence has, as WITH takes them. */
export async function presenceSettings(pool: pg.Pool): Promise<string> {
  const { rows } = await pool.query<{ settings: string }>(
    `SELECT array_to_string(reloptions, ', ') AS settings FROM pg_class
      WHERE oid = 'user_presence'::regclass`,
  );
  return rows[0]!.settings;
}

/**
 * An empty table with the columns, indexes and settings of presence's; without its triggers.
 * @param room whether rows are inserted longer than they will be, as presence's are
 */
export async function createLikePresence(
  pool: pg.Pool,
  table: string,
  { room }: { readonly room: boolean },
): Promise<void> {
  await pool.query(`CREATE TABLE ${table} ${LIKE_PRESENCE} WITH (${await presenceSettings(pool)})`);
  if (!room) await pool.query(`ALTER TABLE ${table} ALTER room SET DEFAULT ''`);
}

/** The same with the rows of presence's, as they are. */
export async function copyPresence(pool: pg.Pool, table: string): Promise<void> {
  await createLikePresence(pool, table, { room: true });
  await pool.query(`INSERT INTO ${table} SELECT * FROM user_presence`);
  await pool.query(`VACUUM (ANALYZE) ${table}`);
}

/** The same as any program would have it: rows are inserted as long as they are. */
export async function copyWithoutRoom(pool: pg.Pool, table: string): Promise<void> {
  const columns = 'user_id, last_seen, online_status, declared, found_status';
  await createLikePresence(pool, table, { room: false });
  await pool.query(`INSERT INTO ${table} (${columns}) SELECT ${columns} FROM user_presence`);
  await pool.query(`VACUUM (ANALYZE) ${table}`);
}
