import type { Curve } from '../figure.js';
import type { Measurement } from '../measurement.js';
import { median } from '../statistics.js';
import { BATCH, openStore } from '../store.js';
import { alternate, oursOf } from '../writes.js';

const USERS = 1_000_000;
const SIZES = [250, 500, 1_000, 2_000, BATCH, 8_000];

export const BATCHES: Measurement = {
  name: 'batches',
  about: 'changed rows/s of our batch write, by how many are written at once',
  run: async (bench) => {
    const { stage, quick } = bench;
    const users = quick ? USERS / 10 : USERS;
    await stage.addUsers(users, 'online');
    const { store, pool } = openStore(stage.system.database.url);
    const ways = SIZES.map((size) => ({ ...oursOf(store, size), name: `${size} at once` }));
    const rates = (await alternate(bench, ways, users)).map(median);
    await pool.end();
    const points = SIZES.map((size, at): Curve['points'][number] => [size, rates[at]!]);
    const curve = { name: 'our batch write', x: 'rows at once', y: 'rows/s', points };
    const note = points.map(([size, rate]) => `${size}: ${Math.round(rate)}/s`).join(', ');
    const what = `batch write, ${BATCH} at once`;
    return [{ what, value: rates[SIZES.indexOf(BATCH)]!, unit: '/s', note, curve }];
  },
};
