import type pg from 'pg';
import { createLikePresence } from '../copies.js';
import { heartbeat, lots, shuffled } from '../crowd.js';
import type { Bench, Measurement } from '../measurement.js';
import { beside, PLAIN_ROWS, type Way } from '../writes.js';

const USERS = 1_000_000;

/** A table in which everybody has spoken. */
interface Table {
  readonly name: string;
  readonly about: string;
  /** Whether rows were inserted with it. */
  readonly room: boolean;
  /** How many users were added once the others had spoken, by their share of those. */
  readonly added: number;
}

const NONE: Table = { name: 'room_none', about: 'no room', room: false, added: 0 };
const OTHERS: readonly Table[] = [
  { name: 'room_left', about: 'room', room: true, added: 0 },
  {
    name: 'room_taken',
    about: 'room, and half as many users added later',
    room: true,
    added: 0.5,
  },
];

export const ROOM: Measurement = {
  name: 'room',
  about: 'rows/s of a plain UPDATE where rows were inserted longer than they are, beside others',
  run: async (bench) => {
    const { stage, quick } = bench;
    const users = quick ? USERS / 10 : USERS;
    const tables = [NONE, ...OTHERS];
    for (const table of tables) await fill(bench, table, users);
    const [none, ...others] = tables.map(({ name, about }) => seenIn(stage.pool, name, about));
    return beside(bench, none!, others, users);
  },
};

async function fill(bench: Bench, table: Table, users: number): Promise<void> {
  const { name, about, room, added } = table;
  bench.say(`a table with ${about}`);
  await createLikePresence(bench.stage.pool, name, { room });
  await join(bench, table, 0, users);
  if (added > 0) await join(bench, table, users, added * users);
}

/** So many users more, by the numbers after `last`, each of whom speaks. */
async function join(
  { stage: { pool } }: Bench,
  { name, about }: Table,
  last: number,
  count: number,
): Promise<void> {
  await pool.query(
    `INSERT INTO ${name} (user_id) SELECT generate_series($1::bigint + 1, $1 + $2::bigint)`,
    [last, count],
  );
  const way = seenIn(pool, name, about);
  const speakers = shuffled(count).map((id) => last + id);
  for (const ids of lots(speakers, PLAIN_ROWS)) await way.write(ids);
  await pool.query(`VACUUM (ANALYZE) ${name}`);
}

/** As `plain`, with the session, which makes a row longer than one is that nobody has spoken in. */
function seenIn(pool: pg.Pool, table: string, name: string): Way {
  const text = `
    UPDATE ${table} p SET online_status = 'online', last_seen = e.seen, session_id = e.session,
      room = ''
    FROM unnest($1::bigint[], $2::timestamptz[], $3::text[]) AS e (id, seen, session)
    WHERE p.user_id = e.id`;
  const write = (ids: number[]) => {
    const events = ids.toSorted((a, b) => a - b).map(heartbeat);
    const now = new Date().toISOString();
    const sessions = events.map(({ sessionId }) => sessionId);
    return pool.query({
      name: `seen ${table}`,
      text,
      values: [events.map(({ userId }) => userId), events.map(() => now), sessions],
    });
  };
  return { name, rows: PLAIN_ROWS, write };
}
