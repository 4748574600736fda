import {
  type Identity,
  identityKey,
  isUserId,
  type Newcomer,
  RowRefused,
  Unavailable,
  type UserId,
} from '@presence/domain';
import type pg from 'pg';
import { isConflict, isLockTimeout, refusalOf, UNIQUE_VIOLATION } from './errors.js';
import { ask, query } from './pool.js';

/** The columns of a `User`. */
export const USER = 'id, username, email, role';

/** How often an id, or an identity, may be snatched away before something else must be wrong. */
const ATTEMPTS = 5;

/** Users of one statement, at the most: whoever adds one of the same waits until it has ended. */
const ADDED_AT_ONCE = 500;

/**
 * Adds users without a password, or finds those that somebody else has just added. Their rows in
 * user_presence come with them, so whoever is known has one.
 *
 * A decimal subject of our own issuer is the id itself. Where that id already is somebody else's,
 * known by another identity, the user gets a generated one: two people never become one.
 * @returns by {@link identityKey} the id of each, or why the database does not take it
 * @throws Unavailable
 */
export async function createUsers(
  pool: pg.Pool,
  ownIssuer: string,
  newcomers: readonly Newcomer[],
): Promise<ReadonlyMap<string, UserId | RowRefused>> {
  const users = new Map<string, UserId | RowRefused>();
  for (let at = 0; at < newcomers.length; at += ADDED_AT_ONCE) {
    const lot = newcomers.slice(at, at + ADDED_AT_ONCE);
    for (const [key, user] of await createLot(pool, ownIssuer, lot)) users.set(key, user);
  }
  return users;
}

/** The same of one. @throws RowRefused, Unavailable */
export async function createUser(
  pool: pg.Pool,
  ownIssuer: string,
  newcomer: Newcomer,
): Promise<UserId> {
  const [user] = (await createUsers(pool, ownIssuer, [newcomer])).values();
  if (user instanceof RowRefused) throw user;
  return user!;
}

/** The ids of those who are known, by {@link identityKey}. */
export async function idsOf(
  pool: pg.Pool,
  identities: readonly Identity[],
): Promise<ReadonlyMap<string, UserId>> {
  if (identities.length === 0) return new Map();
  const rows = await ask<Keyed>(pool, {
    name: 'user-ids',
    text: `SELECT u.* FROM unnest($1::text[], $2::text[]) AS asked (of_issuer, of_subject),
      LATERAL (SELECT id, issuer, subject FROM users
        WHERE issuer = of_issuer AND subject = of_subject LIMIT 1) u`,
    values: [identities.map(({ issuer }) => issuer), identities.map(({ subject }) => subject)],
  });
  return byKey(rows);
}

/** The id that a subject is by itself, or `null`. */
export function ownId({ issuer, subject }: Identity, ownIssuer: string): UserId | null {
  const id = Number(subject);
  return issuer === ownIssuer && /^[1-9]\d{0,15}$/.test(subject) && isUserId(id) ? id : null;
}

interface Keyed extends Identity {
  readonly id: UserId;
}

function byKey(rows: readonly Keyed[]): Map<string, UserId> {
  return new Map(rows.map(({ id, ...identity }) => [identityKey(identity), id]));
}

async function createLot(
  pool: pg.Pool,
  ownIssuer: string,
  newcomers: readonly Newcomer[],
): Promise<ReadonlyMap<string, UserId | RowRefused>> {
  const users = new Map<string, UserId | RowRefused>();
  let missing = newcomers;
  const note = (found: ReadonlyMap<string, UserId | RowRefused>) => {
    for (const [key, user] of found) users.set(key, user);
    missing = missing.filter(({ identity }) => !users.has(identityKey(identity)));
  };
  let conflict: unknown;
  for (let attempt = 1; attempt <= ATTEMPTS && missing.length > 0; attempt++) {
    conflict = undefined;
    try {
      note(await insertTaken(pool, ownIssuer, missing));
    } catch (error) {
      if (!isConflict(error) && !isLockTimeout(error)) throw error;
      conflict = error;
    }
    note(await idsOf(pool, missing.map(toIdentity)));
  }
  if (conflict !== undefined && missing.length > 0) {
    throw new Unavailable('database', 1_000, { cause: conflict });
  }
  // A unique index of the operator's: what is found to be there already is nobody of that identity.
  note(new Map(missing.map(({ identity }) => [identityKey(identity), duplicate(identity)])));
  return users;
}

/** Adds all whom the database takes; the others are searched for by halves. */
async function insertTaken(
  pool: pg.Pool,
  ownIssuer: string,
  newcomers: readonly Newcomer[],
): Promise<ReadonlyMap<string, UserId | RowRefused>> {
  try {
    return await insertUsers(pool, ownIssuer, newcomers);
  } catch (error) {
    const refusal = refusalOf(error);
    if (refusal === undefined) throw error;
    if (newcomers.length === 1) return new Map([[identityKey(newcomers[0]!.identity), refusal]]);
    const middle = Math.ceil(newcomers.length / 2);
    const first = await insertTaken(pool, ownIssuer, newcomers.slice(0, middle));
    return new Map([...first, ...(await insertTaken(pool, ownIssuer, newcomers.slice(middle)))]);
  }
}

/**
 * In order of identity: two that add some of the same do not wait for each other crosswise, unless an
 * index of the operator's has them do. Each user is looked up by index, however many there are: a join
 * may read all of them, by a plan made when there were few.
 */
async function insertUsers(
  pool: pg.Pool,
  ownIssuer: string,
  newcomers: readonly Newcomer[],
): Promise<ReadonlyMap<string, UserId>> {
  const identities = newcomers.map(toIdentity);
  const profiles = newcomers.map(({ profile }) => profile);
  const rows = await query<Keyed>(pool, {
    name: 'users-first-seen',
    text: `
      WITH chosen AS MATERIALIZED (
        SELECT CASE WHEN n.id IS NOT NULL AND (SELECT true FROM users u WHERE u.id = n.id) IS NULL
          THEN n.id ELSE next_user_id('foreign_user_ids') END AS id,
          issuer, subject, username, email, role
        FROM unnest((SELECT $1::bigint[]), (SELECT $2::text[]), (SELECT $3::text[]),
            (SELECT $4::text[]), (SELECT $5::text[]), (SELECT $6::text[]))
          AS n (id, issuer, subject, username, email, role)
        WHERE (SELECT true FROM users u WHERE u.issuer = n.issuer AND u.subject = n.subject) IS NULL
      ), added AS (
        INSERT INTO users (id, issuer, subject, username, email, role)
        SELECT * FROM chosen ORDER BY issuer, subject
        ON CONFLICT DO NOTHING RETURNING id, issuer, subject
      ), present AS (
        INSERT INTO user_presence (user_id) SELECT id FROM added
      )
      SELECT id, issuer, subject FROM added`,
    values: [
      identities.map((identity) => ownId(identity, ownIssuer)),
      identities.map(({ issuer }) => issuer),
      identities.map(({ subject }) => subject),
      profiles.map(({ username }) => username),
      profiles.map(({ email }) => email),
      profiles.map(({ role }) => role),
    ],
  });
  return byKey(rows);
}

function toIdentity({ identity }: Newcomer): Identity {
  return identity;
}

function duplicate({ issuer }: Identity): RowRefused {
  const cause = new Error(`No id for a user of ${issuer} in ${ATTEMPTS} attempts.`);
  return new RowRefused(UNIQUE_VIOLATION, { cause });
}
