import type { Identity, IdentityStore, Newcomer, RowRefused, UserId } from '@presence/domain';
import type pg from 'pg';
import { ask } from './pool.js';
import { createUsers, idsOf } from './user-row.js';

export class PostgresIdentityStore implements IdentityStore {
  readonly #pool: pg.Pool;
  readonly #ownIssuer: string;

  /** @param ownIssuer the first configured issuer: its decimal subjects are our ids. */
  constructor(pool: pg.Pool, ownIssuer: string) {
    this.#pool = pool;
    this.#ownIssuer = ownIssuer;
  }

  resolve(identities: readonly Identity[]): Promise<ReadonlyMap<string, UserId>> {
    return idsOf(this.#pool, identities);
  }

  async unknown(userIds: readonly UserId[]): Promise<readonly UserId[]> {
    const rows = await ask<{ id: UserId }>(this.#pool, {
      name: 'users-unknown',
      text: `SELECT id FROM unnest($1::bigint[]) AS asked (id)
        WHERE (SELECT true FROM users WHERE users.id = asked.id) IS NULL`,
      values: [userIds],
    });
    return rows.map(({ id }) => id);
  }

  create(newcomers: readonly Newcomer[]): Promise<ReadonlyMap<string, UserId | RowRefused>> {
    return createUsers(this.#pool, this.#ownIssuer, newcomers);
  }
}
