import {
  type Identity,
  type IdentityStore,
  identityKey,
  type Profile,
  type UserId,
} from '@presence/domain';
import type pg from 'pg';
import { query } from './pool.js';
import { createUser } from './user-row.js';

export class PostgresIdentityStore implements IdentityStore {
  readonly #pool: pg.Pool;
  readonly #ownIssuer: string;

  /** @param ownIssuer the first configured issuer: its decimal subjects are our ids. */
  constructor(pool: pg.Pool, ownIssuer: string) {
    this.#pool = pool;
    this.#ownIssuer = ownIssuer;
  }

  async resolve(identities: readonly Identity[]): Promise<ReadonlyMap<string, UserId>> {
    if (identities.length === 0) return new Map();
    const rows = await query<Identity & { id: UserId }>(this.#pool, {
      name: 'identities-resolve',
      text: `SELECT u.id, u.issuer, u.subject
        FROM unnest($1::text[], $2::text[]) AS i (issuer, subject)
        JOIN users u ON u.issuer = i.issuer AND u.subject = i.subject`,
      values: [identities.map(({ issuer }) => issuer), identities.map(({ subject }) => subject)],
    });
    return new Map(rows.map(({ id, ...identity }) => [identityKey(identity), id]));
  }

  async unknown(userIds: readonly UserId[]): Promise<readonly UserId[]> {
    const rows = await query<{ id: UserId }>(this.#pool, {
      name: 'users-unknown',
      text: `SELECT id FROM unnest($1::bigint[]) AS asked (id)
        WHERE (SELECT true FROM users WHERE users.id = asked.id) IS NULL`,
      values: [userIds],
    });
    return rows.map(({ id }) => id);
  }

  create(identity: Identity, profile: Profile): Promise<UserId> {
    return createUser(this.#pool, this.#ownIssuer, identity, profile);
  }
}
