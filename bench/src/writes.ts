import type { PresenceStore } from '@presence/domain';
import { eventually } from '@presence/test-services';
import type pg from 'pg';
import { heartbeat, lots, shuffled } from './crowd.js';
import type { Figure } from './figure.js';
import type { Bench } from './measurement.js';
import { median, spreadOf } from './statistics.js';
import { walBytes } from './wal.js';

/** One way of writing that users were seen now. */
export interface Way {
  readonly name: string;
  /** Written at once. */
  readonly rows: number;
  write(ids: number[]): Promise<unknown>;
}

/** Rows of a statement that any program would send. */
export const PLAIN_ROWS = 1_000;

/**
 * Takes turns, so that what slows the machine meets every way.
 * @returns rows a second of each way, by round
 */
export async function alternate(
  { quick, say }: Pick<Bench, 'quick' | 'say'>,
  ways: readonly Way[],
  users: number,
): Promise<number[][]> {
  const [rounds, seconds] = quick ? [3, 3] : [7, 10];
  const rates = ways.map((): number[] => []);
  let ids: number[] = [];
  const next = (count: number) => {
    if (ids.length < count) ids = shuffled(users);
    return ids.splice(-count);
  };
  for (const { rows, write } of ways) {
    for (let turn = 0; turn < 20; turn++) await write(next(rows));
  }
  for (let round = 0; round < rounds; round++) {
    for (let turn = 0; turn < ways.length; turn++) {
      const at = (round + turn) % ways.length;
      const { name, rows, write } = ways[at]!;
      const began = performance.now();
      let written = 0;
      for (; performance.now() - began < seconds * 1_000; written += rows) await write(next(rows));
      const rate = written / ((performance.now() - began) / 1_000);
      rates[at]!.push(rate);
      say(`round ${round + 1} of ${rounds}: ${name} ${Math.round(rate)} rows/s`);
    }
  }
  return rates;
}

/** Each of the others beside the first: rows a second, and bytes of WAL for each. */
export async function beside(
  bench: Bench,
  first: Way,
  others: readonly Way[],
  users: number,
): Promise<Figure[]> {
  const ways = [first, ...others];
  const [firstRates, ...rates] = await alternate(bench, ways, users);
  const costs: number[] = [];
  for (const way of ways) costs.push(await walOfRow(bench.stage.pool, way, users));
  return others.map(({ name }, at) => {
    const spread = spreadOf(rates[at]!.map((rate, round) => rate / firstRates![round]!));
    const told = [rates[at]!, firstRates!].map((rate) => `${Math.round(median(rate))}/s`);
    const wal = [costs[at + 1]!, costs[0]!].map((bytes) => `${Math.round(bytes)} bytes`);
    const note = `${told.join(' beside ')}; WAL of a row ${wal.join(' beside ')}`;
    const what = `${name} ÷ ${first.name}`;
    return { what, value: spread.median, unit: 'ratio', spread, note };
  });
}

/**
 * Without the images of whole pages that the first write after a checkpoint adds: how many there are
 * says when the last checkpoint was, not what is written.
 * @returns bytes of the server's log for each row
 */
export async function walOfRow(
  pool: pg.Pool,
  { rows, write }: Way,
  users: number,
): Promise<number> {
  const ids = shuffled(users).slice(0, 20 * rows);
  await setPageImages(pool, 'off');
  const before = await walBytes(pool);
  for (const batch of lots(ids, rows)) await write(batch);
  const bytes = (await walBytes(pool)) - before;
  await setPageImages(pool, 'on');
  return bytes / ids.length;
}

async function setPageImages(pool: pg.Pool, to: 'on' | 'off'): Promise<void> {
  await pool.query(`ALTER SYSTEM SET full_page_writes = ${to}`);
  await pool.query('SELECT pg_reload_conf()');
  await eventually(async () => {
    const { rows } = await pool.query<{ set: string }>(
      `SELECT current_setting('full_page_writes') AS set`,
    );
    return rows[0]!.set === to;
  });
}

/** The worker's own batch write, fed from memory. */
export function oursOf(store: PresenceStore, rows: number): Way {
  return {
    name: 'ours',
    rows,
    write: (ids) => store.apply({ events: ids.map(heartbeat), ended: [], progress: [] }),
  };
}

/** What any program would send to such a table: no guard, no steps told. */
export function plainOf(pool: pg.Pool, table: string, name = 'plain'): Way {
  const text = `
    UPDATE ${table} p SET online_status = 'online', last_seen = e.seen, room = ''
    FROM unnest($1::bigint[], $2::timestamptz[]) AS e (id, seen) WHERE p.user_id = e.id`;
  const write = (ids: readonly number[]) => {
    const sorted = ids.toSorted((a, b) => a - b);
    const now = new Date().toISOString();
    return pool.query({ name: `plain ${table}`, text, values: [sorted, sorted.map(() => now)] });
  };
  return { name, rows: PLAIN_ROWS, write };
}
