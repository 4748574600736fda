import { createHash } from 'node:crypto';
import { PostgresSessionStore, type SessionPolicy } from '@presence/adapters/postgres';
import type {
  CommittedStatus,
  CommittedTransition,
  EndedSessionNotice,
  Millis,
  RotationResult,
  SessionId,
  UserId,
} from '@presence/domain';
import type pg from 'pg';
import { addUsers, setAsOf } from './presence-rows.js';

export const POLICY: SessionPolicy = {
  offlineAfter: 110_000,
  rememberSessions: 2_592_000_000,
  accessTokenTtl: 900_000,
  refreshReuseGrace: 10_000,
};
export const MINUTE = 60_000;
export const DAY = 86_400_000;
export const NOW: Millis = Date.now();
export const PASSWORD_HASH = 'hash of a password';

export function hashOf(token: string): Uint8Array {
  return createHash('sha256').update(token).digest();
}

/** A session store in the words of its tests; where they name nobody, user 1 is meant. */
export class SessionBook {
  readonly sessions: PostgresSessionStore;
  readonly #pool: pg.Pool;

  constructor(pool: pg.Pool, policy: SessionPolicy = POLICY) {
    this.#pool = pool;
    this.sessions = new PostgresSessionStore(pool, policy);
  }

  /** With three users who have never been seen. */
  static async begin(pool: pg.Pool): Promise<SessionBook> {
    await addUsers(pool, 3);
    await pool.query('UPDATE users SET password_hash = $1', [PASSWORD_HASH]);
    await setAsOf(pool, NOW);
    return new SessionBook(pool);
  }

  open(
    token: string,
    sessionId: SessionId = 's',
    userId: UserId = 1,
    at: Millis = NOW,
  ): Promise<CommittedTransition> {
    const expiresAt = at + 30 * DAY;
    const session = { userId, sessionId, refreshHash: hashOf(token), expiresAt, at };
    return this.sessions.open({ ...session, passwordHash: PASSWORD_HASH });
  }

  rotate(token: string, next = 'next', at: Millis = NOW + MINUTE): Promise<RotationResult> {
    const hashes = { presented: hashOf(token), replacement: hashOf(next) };
    return this.sessions.rotate({ ...hashes, expiresAt: at + 30 * DAY, at });
  }

  async outcome(token: string, next?: string, at?: Millis): Promise<RotationResult['outcome']> {
    return (await this.rotate(token, next, at)).outcome;
  }

  end(
    sessionId: SessionId,
    at: Millis = NOW + MINUTE,
    tokensUntil: Millis = NOW + 15 * MINUTE,
  ): Promise<CommittedTransition> {
    return this.sessions.end({ userId: 1, sessionId, at, tokensUntil });
  }

  async row(userId: UserId = 1): Promise<CommittedStatus> {
    const { rows } = await this.#pool.query<CommittedStatus>(
      `SELECT online_status AS status, last_seen AS "lastSeen" FROM user_presence
       WHERE user_id = $1`,
      [userId],
    );
    return rows[0]!;
  }

  /** The causes of all changes of status, in order. */
  async changes(): Promise<string[]> {
    const { rows } = await this.#pool.query('SELECT cause FROM presence_changes ORDER BY version');
    return rows.map(({ cause }) => cause);
  }

  /** The ended sessions that a process which has just started remembers. */
  async remembered(): Promise<readonly EndedSessionNotice[]> {
    return (await this.sessions.endedSince(null)).ended;
  }
}
