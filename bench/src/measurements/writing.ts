import type { PresenceStore } from '@presence/domain';
import type pg from 'pg';
import { heartbeat, lots, shuffled } from '../crowd.js';
import type { Figure } from '../figure.js';
import type { Bench, Measurement } from '../measurement.js';
import { median, spreadOf } from '../statistics.js';
import { openStore } from '../store.js';

const USERS = 1_000_000;
const BATCH = 1_000;
/** What any program would send, against the same table and indexes: no guard, no steps told. */
const PLAIN = `
  UPDATE user_presence p SET online_status = 'online', last_seen = e.seen
  FROM unnest($1::bigint[], $2::timestamptz[]) AS e (id, seen) WHERE p.user_id = e.id`;

export const WRITING: Measurement = {
  name: 'writing',
  about: 'changed rows/s of our batch write, beside a plain UPDATE of as many rows',
  run: async (bench) => {
    const { stage, quick } = bench;
    const users = quick ? USERS / 10 : USERS;
    await stage.addUsers(users);
    const { store, pool } = openStore(stage.system.database.url);
    const ways = [
      { name: 'ours', write: (ids: number[]) => ours(store, ids) },
      { name: 'plain', write: (ids: number[]) => plain(pool, ids) },
    ];
    const rows = await alternate(bench, ways, users);
    const [cost, share] = [await walBytes(stage.pool, ways[0]!, users), await hotShare(stage.pool)];
    await pool.end();
    const [mine, theirs] = rows as [number[], number[]];
    const spread = spreadOf(mine.map((rate, round) => rate / theirs[round]!));
    const note = [mine, theirs].map((rates) => `${Math.round(median(rates))}/s`).join(' beside ');
    const marks = { floor: 1, goal: 1.3 };
    const what = 'batch write ÷ plain UPDATE of 1,000';
    return [
      { what, value: spread.median, unit: 'ratio', spread, note, ...marks },
      { what: 'WAL of a row', value: cost, unit: 'bytes', note: 'after a checkpoint long ago' },
      { what: 'HOT updates', value: share, unit: '%', note: 'of both ways' },
    ] satisfies Figure[];
  },
};

interface Way {
  readonly name: string;
  write(ids: number[]): Promise<unknown>;
}

/** @returns rows a second of each way, by round */
async function alternate(
  { quick, say }: Bench,
  ways: readonly Way[],
  users: number,
): Promise<number[][]> {
  const [rounds, seconds] = quick ? [3, 3] : [7, 10];
  const rates = ways.map((): number[] => []);
  let batches = lots(shuffled(users), BATCH);
  const next = (): number[] => {
    const { value, done } = batches.next();
    if (!done) return value as number[];
    batches = lots(shuffled(users), BATCH);
    return next();
  };
  for (const { write } of ways) for (let turn = 0; turn < 20; turn++) await write(next());
  for (let round = 0; round < rounds; round++) {
    for (const [at, { name, write }] of ways.entries()) {
      const began = performance.now();
      let written = 0;
      for (; performance.now() - began < seconds * 1_000; written += BATCH) await write(next());
      const rate = written / ((performance.now() - began) / 1_000);
      rates[at]!.push(rate);
      say(`round ${round + 1} of ${rounds}: ${name} ${Math.round(rate)} rows/s`);
    }
  }
  return rates;
}

function ours(store: PresenceStore, ids: readonly number[]): Promise<unknown> {
  return store.apply({ events: ids.map(heartbeat), ended: [], progress: [] });
}

function plain(pool: pg.Pool, ids: readonly number[]): Promise<unknown> {
  const sorted = ids.toSorted((a, b) => a - b);
  const now = new Date().toISOString();
  return pool.query({ name: 'plain', text: PLAIN, values: [sorted, sorted.map(() => now)] });
}

async function walBytes(pool: pg.Pool, { write }: Way, users: number): Promise<number> {
  const position = async () => {
    const { rows } = await pool.query<{ at: string }>(
      `SELECT pg_wal_lsn_diff(pg_current_wal_insert_lsn(), '0/0') AS at`,
    );
    return Number(rows[0]!.at);
  };
  const ids = shuffled(users).slice(0, 20 * BATCH);
  const before = await position();
  for (const batch of lots(ids, BATCH)) await write(batch);
  return ((await position()) - before) / ids.length;
}

async function hotShare(pool: pg.Pool): Promise<number> {
  const { rows } = await pool.query<{ share: number }>(`
    SELECT (100.0 * n_tup_hot_upd / greatest(n_tup_upd, 1))::float8 AS share
    FROM pg_stat_user_tables WHERE relname = 'user_presence'`);
  return rows[0]!.share;
}
