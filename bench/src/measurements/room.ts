import type pg from 'pg';
import { LIKE_PRESENCE, presenceSettings } from '../copies.js';
import { heartbeat, lots, shuffled } from '../crowd.js';
import type { Bench, Measurement } from '../measurement.js';
import { beside, PLAIN_ROWS, type Way } from '../writes.js';

const USERS = 1_000_000;

/** Users of a table, and what it has been through. */
interface Table {
  readonly name: string;
  readonly about: string;
  /** What a row is inserted with, as SQL; all of them have spoken since. */
  readonly room: string;
  /** Added once the others have spoken, by their share of those. */
  readonly added: number;
}

const NONE: Table = { name: 'room_none', about: 'no room', room: `''`, added: 0 };
const OTHERS: readonly Table[] = [
  { name: 'room_left', about: 'room', room: 'DEFAULT', added: 0 },
  {
    name: 'room_taken',
    about: 'room, and half as many users added later',
    room: 'DEFAULT',
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

/** With so many users who have spoken once, those who were added later as well. */
async function fill({ stage, say }: Bench, table: Table, users: number): Promise<void> {
  const { pool } = stage;
  const { name, about, room, added } = table;
  say(`a table with ${about}`);
  await pool.query(`CREATE TABLE ${name} ${LIKE_PRESENCE} WITH (${await presenceSettings(pool)})`);
  if (room !== 'DEFAULT') await pool.query(`ALTER TABLE ${name} ALTER room SET DEFAULT ${room}`);
  const way = seenIn(pool, name, about);
  const all = Math.round(users * (1 + added));
  for (const [from, to] of added === 0
    ? [[1, users]]
    : [
        [1, users],
        [users + 1, all],
      ]) {
    await pool.query(`INSERT INTO ${name} (user_id) SELECT generate_series($1::bigint, $2)`, [
      from,
      to,
    ]);
    const speakers = shuffled(to! - from! + 1).map((id) => id + from! - 1);
    for (const ids of lots(speakers, PLAIN_ROWS)) await way.write(ids);
    await pool.query(`VACUUM (ANALYZE) ${name}`);
  }
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
