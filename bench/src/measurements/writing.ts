import type pg from 'pg';
import { copyWithoutRoom } from '../copies.js';
import type { Figure } from '../figure.js';
import type { Measurement } from '../measurement.js';
import { median, spreadOf } from '../statistics.js';
import { BATCH, openStore } from '../store.js';
import { alternate, oursOf, plainOf, walOfRow } from '../writes.js';

const USERS = 1_000_000;

export const WRITING: Measurement = {
  name: 'writing',
  about: 'changed rows/s of the batch write of a worker, beside a plain UPDATE of 1,000 rows',
  run: async (bench) => {
    const { stage, quick } = bench;
    const users = quick ? USERS / 10 : USERS;
    await stage.addUsers(users, 'online');
    const { store, pool } = openStore(stage.system.database.url);
    await copyWithoutRoom(stage.pool, 'presence_plain');
    const ours = oursOf(store, BATCH);
    const ways = [
      ours,
      plainOf(pool, 'presence_plain'),
      plainOf(pool, 'user_presence', 'plain, of our table'),
    ];
    const [mine, theirs, onOurs] = (await alternate(bench, ways, users)) as [
      number[],
      number[],
      number[],
    ];
    const [cost, share] = [await walOfRow(stage.pool, ours, users), await hotShare(stage.pool)];
    await pool.end();
    const marks = { floor: 1, goal: 1.3 };
    return [
      { what: 'batch write ÷ plain UPDATE of 1,000', ...besideOf(mine, theirs), ...marks },
      { what: '÷ the same in our table: room, triggers', ...besideOf(mine, onOurs) },
      { what: 'WAL of a row', value: cost, unit: 'bytes', note: 'without images of pages' },
      { what: 'HOT updates', value: share, unit: '%', note: 'of our table, both ways' },
    ] satisfies Figure[];
  },
};

function besideOf(mine: readonly number[], theirs: readonly number[]) {
  const spread = spreadOf(mine.map((rate, round) => rate / theirs[round]!));
  const beside = [mine, theirs].map((rates) => `${Math.round(median(rates))}/s`);
  const note = `by rate; ${beside.join(' beside ')}; ours ${BATCH} at once`;
  return { value: spread.median, unit: 'ratio', spread, note } as const;
}

async function hotShare(pool: pg.Pool): Promise<number> {
  const { rows } = await pool.query<{ share: number }>(`
    SELECT (100.0 * n_tup_hot_upd / greatest(n_tup_upd, 1))::float8 AS share
    FROM pg_stat_user_tables WHERE relname = 'user_presence'`);
  return rows[0]!.share;
}
