import {
  type Credentials,
  type Duration,
  type Identity,
  type Millis,
  type NewUser,
  type Profile,
  type Status,
  type User,
  type UserId,
  UsernameTaken,
  type UserStore,
} from '@presence/domain';
import DataLoader from 'dataloader';
import type pg from 'pg';
import { changeRows, type Step } from './change-row.js';
import { isUniqueViolation, refusalOf } from './errors.js';
import { ask, settledTransaction } from './pool.js';
import { createUser, ownId, USER } from './user-row.js';

/** The longest that an access token of ours can live: see ACCESS_TOKEN_TTL. */
const TOKEN_LIFE: Duration = 86_400_000;

const USERNAME_INDEX = 'users_login';

/** How often a generated id may turn out to be taken meanwhile. */
const ATTEMPTS = 5;

/** Identities of one statement, at the most. */
const ASKED_AT_ONCE = 500;

/**
 * Refuses the tokens of the sessions in `closed`; `$2` is how long they may live, in milliseconds. A
 * session is remembered for as long as its refresh token could have lived: a publisher that does not
 * live by our tokens may name it until then.
 */
const REFUSE_CLOSED = `
  INSERT INTO ended_sessions (user_id, session_id, tokens_refused, tokens_until, expires_at)
  SELECT user_id, session_id, true, life.ends, greatest(life.ends, closed.expires_at)
  FROM closed, (SELECT clock_timestamp() + $2 * interval '1 ms' AS ends) life
  ON CONFLICT (user_id, session_id) DO UPDATE SET
    ended_at = excluded.ended_at, ended_by = excluded.ended_by,
    tokens_refused = true, tokens_until = excluded.tokens_until,
    expires_at = greatest(ended_sessions.expires_at, excluded.expires_at)`;

/** A statement of its own: it sees the session of a login that the one before it waited for. */
const END_SESSIONS = `
  WITH closed AS (
    UPDATE login_sessions SET ended_at = clock_timestamp() WHERE user_id = $1 AND ended_at IS NULL
    RETURNING user_id, session_id, expires_at
  ), refused AS (${REFUSE_CLOSED})
  INSERT INTO presence_inbox (user_id, type, occurred_at, status, session_id)
  SELECT user_id, 'logout', clock_timestamp(), 'offline', session_id FROM closed`;

/**
 * A session that nobody has had says that there was a user: tokens may be of sessions that are not in
 * here.
 */
const REMOVE = `
  WITH closed AS (
    SELECT user_id, session_id, expires_at FROM login_sessions
    WHERE user_id = $1 AND ended_at IS NULL
    UNION ALL SELECT $1, gen_random_uuid()::text, NULL
  ), refused AS (${REFUSE_CLOSED})
  DELETE FROM users WHERE id = $1`;

interface RemovedRow {
  readonly userId: UserId;
  readonly status: Status;
  readonly lastSeen: Millis;
  readonly at: Millis;
}

interface UserRow extends User {
  /** Whether the user logs in here, so that no other issuer has a say in the profile. */
  readonly own: boolean;
}

export class PostgresUserStore implements UserStore {
  readonly #pool: pg.Pool;
  readonly #ownIssuer: string;
  /**
   * Whoever asks in one turn of the event loop is asked for in one statement: to a process that has
   * just started, everybody is new. It remembers nobody.
   */
  readonly #known: DataLoader<Identity, UserRow | undefined>;

  /** @param ownIssuer the first configured issuer: its decimal subjects are our ids. */
  constructor(pool: pg.Pool, ownIssuer: string) {
    this.#pool = pool;
    this.#ownIssuer = ownIssuer;
    this.#known = new DataLoader((identities) => this.#knownAmong(identities), {
      ...{ cache: false, maxBatchSize: ASKED_AT_ONCE },
      batchScheduleFn: (look) => void setImmediate(look),
    });
  }

  async add({ username, email, role, passwordHash }: NewUser): Promise<User> {
    for (let attempt = 1; ; attempt++) {
      try {
        const id = await this.#insert([this.#ownIssuer, username, email, role, passwordHash]);
        return { id, username, email, role };
      } catch (error) {
        if (!isUniqueViolation(error)) throw error;
        if (isTakenName(error)) throw new UsernameTaken(username);
        if (attempt === ATTEMPTS) throw error;
      }
    }
  }

  async credentials(username: string): Promise<Credentials | null> {
    if (username.includes('\0')) return null; // PostgreSQL's text cannot hold it.
    const rows = await ask<User & Omit<Credentials, 'user'>>(this.#pool, {
      name: 'user-credentials',
      text: `SELECT ${USER}, issuer, password_hash AS "passwordHash" FROM users
        WHERE username = $1 AND password_hash IS NOT NULL`,
      values: [username],
    });
    const [row] = rows;
    if (row === undefined) return null;
    const { issuer, passwordHash, ...user } = row;
    return { user, issuer, passwordHash };
  }

  async find(identity: Identity, profile: Profile | null): Promise<User | null> {
    const known = await this.#known.load(identity);
    if (known !== undefined) return this.#upToDate(known, profile);
    if (profile === null || (await this.#wasRemoved(identity))) return null;
    const id = await createUser(this.#pool, this.#ownIssuer, { identity, profile });
    const rows = await ask<User>(this.#pool, {
      name: 'user-by-id',
      text: `SELECT ${USER} FROM users WHERE id = $1`,
      values: [id],
    });
    return rows[0] ?? null;
  }

  async ownUser(userId: UserId): Promise<User | null> {
    const rows = await ask<User>(this.#pool, {
      name: 'own-user',
      text: `SELECT ${USER} FROM users WHERE id = $1 AND issuer = $2 AND subject = id::text`,
      values: [userId, this.#ownIssuer],
    });
    return rows[0] ?? null;
  }

  /**
   * Takes with it the user's presence, and sessions, whose tokens are refused from now on. The row is
   * locked beforehand: a login that is under way is committed by then, and its session found.
   */
  remove(user: string | UserId): Promise<boolean> {
    const isWanted =
      typeof user === 'string' ? 'username = $1 AND password_hash IS NOT NULL' : 'id = $1';
    return settledTransaction(this.#pool, async (client) => {
      const { rows } = await client.query<RemovedRow>({
        text: `SELECT id AS "userId", online_status AS status, last_seen AS "lastSeen",
            greatest(clock_timestamp(), last_seen + interval '1 ms') AS at
          FROM users JOIN user_presence ON user_id = id
          WHERE ${isWanted} FOR UPDATE`,
        values: [user],
      });
      const [removed] = rows;
      if (removed === undefined) return false;
      for (const row of changeRows(departure(removed))) await client.query(row);
      await client.query({ text: REMOVE, values: [removed.userId, TOKEN_LIFE] });
      return true;
    });
  }

  /** Ends the user's sessions, as a logout each: whoever knew the old password is out. */
  setPassword(username: string, passwordHash: string): Promise<boolean> {
    return settledTransaction(this.#pool, async (client) => {
      const { rows } = await client.query<{ id: UserId }>({
        text: `UPDATE users SET password_hash = $2
          WHERE username = $1 AND password_hash IS NOT NULL RETURNING id`,
        values: [username, passwordHash],
      });
      if (rows[0] === undefined) return false;
      await client.query({ text: END_SESSIONS, values: [rows[0].id, TOKEN_LIFE] });
      return true;
    });
  }

  list(after: UserId, limit: number): Promise<User[]> {
    return ask<User>(this.#pool, {
      text: `SELECT ${USER} FROM users WHERE id > $1 ORDER BY id LIMIT $2`,
      values: [after, limit],
    });
  }

  async #insert(values: readonly [string, string, string | null, string, string]): Promise<UserId> {
    const rows = await ask<{ id: UserId }>(this.#pool, {
      name: 'user-add',
      text: `
        WITH chosen AS MATERIALIZED (SELECT next_user_id('user_ids') AS id), added AS (
          INSERT INTO users (id, issuer, subject, username, email, role, password_hash)
          SELECT id, $1, id::text, $2, $3, $4, $5 FROM chosen RETURNING id
        )
        INSERT INTO user_presence (user_id) SELECT id FROM added RETURNING user_id AS id`,
      values: [...values],
    });
    return rows[0]!.id;
  }

  /**
   * The shape leaves the planner no way but the index: a join may read all users, by a plan made
   * when there were few.
   * @returns one for each identity, in their order
   */
  async #knownAmong(identities: readonly Identity[]): Promise<(UserRow | undefined)[]> {
    const rows = await ask<UserRow & { place: number }>(this.#pool, {
      name: 'users-by-identity',
      text: `SELECT place, ${USER}, password_hash IS NOT NULL AS own
        FROM unnest($1::text[], $2::text[]) WITH ORDINALITY AS asked (of_issuer, of_subject, place),
          LATERAL (SELECT * FROM users WHERE issuer = of_issuer AND subject = of_subject LIMIT 1) u`,
      values: [identities.map(({ issuer }) => issuer), identities.map(({ subject }) => subject)],
    });
    const users = new Map(rows.map(({ place, ...user }) => [place, user]));
    return identities.map((_, at) => users.get(at + 1));
  }

  /** Whether this is what remains of a user that was removed: a token that is not to be taken any more. */
  async #wasRemoved(identity: Identity): Promise<boolean> {
    const id = ownId(identity, this.#ownIssuer);
    if (id === null) return false;
    const refused = await ask(this.#pool, {
      name: 'user-was-removed',
      text: `SELECT FROM ended_sessions
        WHERE user_id = $1 AND tokens_refused AND tokens_until > now() LIMIT 1`,
      values: [id],
    });
    return refused.length > 0;
  }

  /**
   * A token without an e-mail address says nothing about it: not every token holds one. What the
   * database refuses, by an index or a constraint of the operator's, is not taken over: whoever is
   * known stays present.
   */
  async #upToDate({ own, ...user }: UserRow, profile: Profile | null): Promise<User> {
    if (own || profile === null) return user;
    const { username, role } = profile;
    const email = profile.email ?? user.email;
    const same = username === user.username && email === user.email && role === user.role;
    if (same) return user;
    try {
      await ask(this.#pool, {
        name: 'user-profile',
        text: `UPDATE users SET username = $2, email = $3, role = $4
          WHERE id = $1 AND password_hash IS NULL`,
        values: [user.id, username, email, role],
      });
    } catch (error) {
      if (refusalOf(error) === undefined) throw error;
      return user;
    }
    return { id: user.id, username, email, role };
  }
}

/** Whoever follows who is online hears that this one is not. */
function departure({ userId, status, lastSeen, at }: RemovedRow): Step[] {
  if (status === 'offline') return [];
  return [{ userId, from: status, to: 'offline', at, lastSeen, cause: 'logout' }];
}

function isTakenName(error: unknown): boolean {
  return (error as pg.DatabaseError).constraint === USERNAME_INDEX;
}
