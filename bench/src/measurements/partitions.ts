import type pg from 'pg';
import { copyPresence, LIKE_PRESENCE, presenceSettings } from '../copies.js';
import type { Measurement } from '../measurement.js';
import { median, spreadOf } from '../statistics.js';
import { alternate, plainOf } from '../writes.js';

const USERS = 1_000_000;
const PARTS = 8;
const WHOLE = 'presence_whole';
const SPLIT = 'presence_split';

export const PARTITIONS: Measurement = {
  name: 'partitions',
  about:
    'rows/s of a plain UPDATE against a table in eight partitions by hash, beside one that is whole',
  run: async (bench) => {
    const { stage, quick } = bench;
    const users = quick ? USERS / 10 : USERS;
    await stage.addUsers(users, 'online');
    await createCopies(stage.pool);
    const ways = [
      plainOf(stage.pool, SPLIT, `${PARTS} partitions`),
      plainOf(stage.pool, WHOLE, 'one table'),
    ];
    const [split, whole] = (await alternate(bench, ways, users)) as [number[], number[]];
    const spread = spreadOf(split.map((rate, round) => rate / whole[round]!));
    const note = [split, whole].map((rates) => `${Math.round(median(rates))}/s`).join(' beside ');
    const what = `table in ${PARTS} partitions ÷ whole`;
    return [{ what, value: spread.median, unit: 'ratio', spread, note }];
  },
};

async function createCopies(pool: pg.Pool): Promise<void> {
  const settings = await presenceSettings(pool);
  const parts = Array.from({ length: PARTS }, (_, part) => {
    const values = `WITH (MODULUS ${PARTS}, REMAINDER ${part})`;
    return `CREATE TABLE ${SPLIT}_${part} PARTITION OF ${SPLIT} FOR VALUES ${values} WITH (${settings})`;
  });
  await copyPresence(pool, WHOLE);
  await pool.query(`
    CREATE TABLE ${SPLIT} ${LIKE_PRESENCE} PARTITION BY HASH (user_id);
    ${parts.join(';\n')};
    INSERT INTO ${SPLIT} SELECT * FROM user_presence`);
  await pool.query(`VACUUM (ANALYZE) ${SPLIT}`);
}
