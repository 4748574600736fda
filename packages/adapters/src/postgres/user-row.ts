import { type Identity, isUserId, type Profile, type User, type UserId } from '@presence/domain';
import type pg from 'pg';
import { query } from './pool.js';

/** The columns of a {@link User}. */
export const USER = 'id, username, email, role';

/** How often an id, or an identity, may be snatched away before something else must be wrong. */
const ATTEMPTS = 5;

/**
 * Adds a user without a password, or finds the one that somebody else has just added. Its row in
 * user_presence comes with it, so whoever is known has one.
 *
 * A decimal subject of our own issuer is the id itself. Where that id already is somebody else's,
 * known by another identity, the user gets a generated one: two people never become one.
 */
export async function createUser(
  pool: pg.Pool,
  ownIssuer: string,
  identity: Identity,
  profile: Profile,
): Promise<UserId> {
  for (let attempt = 1; attempt <= ATTEMPTS; attempt++) {
    const id =
      (await insertUser(pool, ownId(identity, ownIssuer), identity, profile)) ??
      (await findId(pool, identity));
    if (id !== undefined) return id;
  }
  throw new Error(`No id for a user of ${identity.issuer} in ${ATTEMPTS} attempts.`);
}

/** The id that a subject is by itself, or `null`. */
export function ownId({ issuer, subject }: Identity, ownIssuer: string): UserId | null {
  const id = Number(subject);
  return issuer === ownIssuer && /^[1-9]\d{0,15}$/.test(subject) && isUserId(id) ? id : null;
}

async function insertUser(
  pool: pg.Pool,
  id: UserId | null,
  { issuer, subject }: Identity,
  { username, email, role }: Profile,
): Promise<UserId | undefined> {
  const rows = await query<{ id: UserId }>(pool, {
    name: 'user-first-seen',
    text: `
      WITH chosen AS MATERIALIZED (
        SELECT CASE WHEN $1::bigint IS NULL OR EXISTS (SELECT FROM users WHERE id = $1)
          THEN next_user_id('foreign_user_ids') ELSE $1 END AS id
        WHERE NOT EXISTS (SELECT FROM users WHERE issuer = $2 AND subject = $3)
      ), added AS (
        INSERT INTO users (id, issuer, subject, username, email, role)
        SELECT id, $2, $3, $4, $5, $6 FROM chosen
        ON CONFLICT DO NOTHING RETURNING id
      )
      INSERT INTO user_presence (user_id) SELECT id FROM added RETURNING user_id AS id`,
    values: [id, issuer, subject, username, email, role],
  });
  return rows[0]?.id;
}

async function findId(pool: pg.Pool, { issuer, subject }: Identity): Promise<UserId | undefined> {
  const rows = await query<Pick<User, 'id'>>(pool, {
    name: 'user-id-of',
    text: 'SELECT id FROM users WHERE issuer = $1 AND subject = $2',
    values: [issuer, subject],
  });
  return rows[0]?.id;
}
