import type { ChangeOutbox, StatusChange } from '@presence/domain';
import type pg from 'pg';
import { transaction } from './pool.js';

/** One relay at a time keeps each user's changes in order; the number is an arbitrary lock key. */
const RELAY_LOCK = 7_245_001;

export class PostgresChangeOutbox implements ChangeOutbox {
  readonly #pool: pg.Pool;

  constructor(pool: pg.Pool) {
    this.#pool = pool;
  }

  /**
   * The rows are deleted in the transaction that published them: a relay that dies in between
   * leaves them, and they go out again under the same ids.
   */
  relay(
    limit: number,
    publish: (changes: readonly StatusChange[]) => Promise<void>,
  ): Promise<number> {
    return transaction(this.#pool, async (client) => {
      if (!(await takesTurn(client))) return 0;
      const { rows } = await client.query<StatusChange>({
        name: 'changes-take',
        text: `
          WITH taken AS (
            DELETE FROM presence_changes WHERE version IN (
              SELECT version FROM presence_changes ORDER BY version LIMIT $1)
            RETURNING *
          )
          SELECT id, user_id AS "userId", version, from_status AS "from", to_status AS "to", at,
            last_seen AS "lastSeen", cause
          FROM taken ORDER BY version`,
        values: [limit],
      });
      if (rows.length > 0) await publish(rows);
      return rows.length;
    });
  }
}

async function takesTurn(client: pg.ClientBase): Promise<boolean> {
  const { rows } = await client.query<{ mine: boolean }>({
    name: 'changes-turn',
    text: `SELECT pg_try_advisory_xact_lock($1) AS mine`,
    values: [RELAY_LOCK],
  });
  return rows[0]!.mine;
}
