import { copyPresence } from '../copies.js';
import type { Measurement } from '../measurement.js';
import { beside, plainOf } from '../writes.js';

const USERS = 1_000_000;

interface Shape {
  readonly table: string;
  readonly name: string;
  /** What sets it apart from the table that presence has. */
  readonly change?: string;
}

const AS_THEY_ARE: Shape = { table: 'presence_as_is', name: 'as they are' };
const OTHERS: readonly Shape[] = [
  {
    table: 'presence_full',
    name: 'status of everybody indexed',
    change: `
      DROP INDEX presence_full_online_status_user_id_idx;
      CREATE INDEX ON presence_full (online_status, user_id)`,
  },
  {
    table: 'presence_hot',
    name: 'last_seen not indexed',
    change: 'DROP INDEX presence_hot_online_status_last_seen_user_id_idx',
  },
];

export const INDEXES: Measurement = {
  name: 'indexes',
  about: 'rows/s of a plain UPDATE with the indexes that presence has, beside others',
  run: async (bench) => {
    const { stage, quick } = bench;
    const users = quick ? USERS / 10 : USERS;
    await stage.addUsers(users, 'online');
    const shapes = [AS_THEY_ARE, ...OTHERS];
    for (const { table, change } of shapes) {
      await copyPresence(stage.pool, table);
      if (change !== undefined) await stage.pool.query(change);
    }
    const [asTheyAre, ...others] = shapes.map(({ table, name }) =>
      plainOf(stage.pool, table, name),
    );
    return beside(bench, asTheyAre!, others, users);
  },
};
