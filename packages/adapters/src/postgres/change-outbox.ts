import type { ChangeOutbox, StatusChange } from '@presence/domain';
import type pg from 'pg';
import { type OutboxRow, ROW_CHANGES, unpack } from './change-row.js';
import { query, transaction } from './pool.js';

/** One relay at a time keeps each user's changes in order; the number is an arbitrary lock key. */
const RELAY_LOCK = 7_245_001;

/**
 * How often one transaction takes out changes: while a batch is on its way to the queue, the next
 * is fetched and handed over. A relay that dies repeats that many batches at the most; and while
 * the transaction lasts, nothing that is written meanwhile can be cleaned up.
 */
const BATCHES = 8;

export class PostgresChangeOutbox implements ChangeOutbox {
  readonly #pool: pg.Pool;

  constructor(pool: pg.Pool) {
    this.#pool = pool;
  }

  /**
   * The rows are deleted in the transaction that published them: a relay that dies in between
   * leaves them, and they go out again under the same ids.
   */
  async relay(
    atATime: number,
    publish: (changes: readonly StatusChange[]) => Promise<void>,
  ): Promise<number> {
    if (!(await this.#holdsAny())) return 0;
    return transaction(this.#pool, async (client) => {
      if (!(await takesTurn(client))) return 0;
      return relayBatches(() => take(client, atATime), publish);
    });
  }

  /** After a worker's own commit there may be nothing left, and no need of a transaction to see it. */
  async #holdsAny(): Promise<boolean> {
    // As the least id, since an EXISTS may walk through all that was deleted lately.
    const [row] = await query<{ any: boolean }>(this.#pool, {
      name: 'changes-any',
      text: 'SELECT min(id) IS NOT NULL AS any FROM presence_outbox',
    });
    return row!.any;
  }

  /** Rows that a relay has taken are left to it; drops whole rows, so a few may be kept too few. */
  async trim(most: number): Promise<number> {
    const [row] = await query<{ dropped: number }>(this.#pool, {
      name: 'changes-trim',
      text: TRIM,
      values: [most],
    });
    return row!.dropped;
  }
}

/** Counts only where the ids say that there may be so many: usually that is looked up in the index. */
const TRIM = `
  WITH counted AS (
    SELECT id, sum(size) OVER (ORDER BY id DESC) AS newest FROM presence_outbox
    WHERE (SELECT (max(id) - min(id) + 1) * ${ROW_CHANGES} > $1 FROM presence_outbox)
  ), surplus AS (
    SELECT id FROM presence_outbox
    WHERE id <= (SELECT max(id) FROM counted WHERE newest > $1)
    ORDER BY id FOR UPDATE SKIP LOCKED
  ), dropped AS (
    DELETE FROM presence_outbox WHERE id IN (SELECT id FROM surplus) RETURNING size
  )
  SELECT coalesce(sum(size), 0)::int AS dropped FROM dropped`;

/** Two batches are on their way at a time, in order. @returns how many changes they held */
async function relayBatches(
  next: () => Promise<StatusChange[]>,
  publish: (changes: readonly StatusChange[]) => Promise<void>,
): Promise<number> {
  let relayed = 0;
  let onItsWay = Promise.resolve();
  for (let batch = 0; batch < BATCHES; batch++) {
    const changes = await next();
    if (changes.length === 0) break;
    const published = publish(changes);
    published.catch(() => {}); // It is awaited in the next turn, unless that fails before.
    await onItsWay;
    onItsWay = published;
    relayed += changes.length;
  }
  await onItsWay;
  return relayed;
}

/** Takes out the oldest rows, as few as hold `least` changes. */
async function take(client: pg.ClientBase, least: number): Promise<StatusChange[]> {
  const { rows } = await client.query<OutboxRow>({
    name: 'changes-take',
    text: `
      WITH oldest AS (
        SELECT id, sum(size) OVER (ORDER BY id) - size AS before
        FROM (SELECT id, size FROM presence_outbox ORDER BY id LIMIT $1) o
      ), taken AS (
        DELETE FROM presence_outbox WHERE id IN (SELECT id FROM oldest WHERE before < $1)
        RETURNING id, change_ids, changes
      )
      SELECT id, change_ids AS "changeIds", changes FROM taken ORDER BY id`,
    values: [least],
  });
  return rows.flatMap(unpack);
}

async function takesTurn(client: pg.ClientBase): Promise<boolean> {
  const { rows } = await client.query<{ mine: boolean }>({
    name: 'changes-turn',
    text: `SELECT pg_try_advisory_xact_lock($1) AS mine`,
    values: [RELAY_LOCK],
  });
  return rows[0]!.mine;
}
