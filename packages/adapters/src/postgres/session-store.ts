import {
  type CommittedTransition,
  type Duration,
  type EndedSession,
  type EndedSessions,
  type Millis,
  type NewSession,
  type PresenceEvent,
  type PresencePolicy,
  type Rotation,
  type RotationResult,
  type SessionEnd,
  type SessionStore,
  UnknownUser,
} from '@presence/domain';
import type pg from 'pg';
import { endedSince, refuseTokens } from './ended-session.js';
import { timestamp } from './event-row.js';
import { endExpiredSessions } from './expired-session.js';
import { ask, settledTransaction } from './pool.js';
import { addToken, lockToken, meaningOf, nextGeneration } from './refresh-token-row.js';
import { commitTransition } from './transition.js';

export interface SessionPolicy extends PresencePolicy {
  /** For how long the directly preceding refresh token may be repeated. */
  readonly refreshReuseGrace: Duration;
}

/** By how much an access token of another instance may outlive what ours would: clocks differ. */
const CLOCK_MARGIN: Duration = 60_000;

/**
 * For how long tokens of a session are refused whose issuer is not us: it does not know of the end
 * and may go on signing them. Keycloak's sessions last ten hours by default, Auth0's a day.
 */
const FOREIGN_TOKEN_LIFE: Duration = 86_400_000;

export class PostgresSessionStore implements SessionStore {
  readonly #pool: pg.Pool;
  readonly #policy: SessionPolicy;

  constructor(pool: pg.Pool, policy: SessionPolicy) {
    this.#pool = pool;
    this.#policy = policy;
  }

  /** @throws UnknownUser where there is no such user with that password (any more) */
  open(session: NewSession): Promise<CommittedTransition> {
    return settledTransaction(this.#pool, async (client) => {
      const loginId = await insertSession(client, session);
      await addToken(client, loginId, session.refreshHash, session.expiresAt);
      return commitTransition(client, login(session), this.#policy);
    });
  }

  rotate(rotation: Rotation): Promise<RotationResult> {
    return settledTransaction(this.#pool, async (client) => {
      const token = await lockToken(client, rotation.presented);
      if (token === undefined) return { outcome: 'invalid' };
      const { loginId, userId, sessionId } = token;
      const meaning = meaningOf(token, rotation.at, this.#policy.refreshReuseGrace);
      if (meaning === 'invalid') return { outcome: 'invalid' };
      if (meaning === 'reused') {
        await this.#end(client, { userId, sessionId, at: rotation.at, tokensUntil: rotation.at });
        return { outcome: 'reused', userId, sessionId };
      }
      if (meaning === 'current') await nextGeneration(client, loginId, rotation);
      await addToken(client, loginId, rotation.replacement, rotation.expiresAt);
      return { outcome: 'rotated', userId, sessionId };
    });
  }

  end(session: SessionEnd): Promise<CommittedTransition> {
    return settledTransaction(this.#pool, (client) => this.#end(client, session));
  }

  async ownerOf(refreshHash: Uint8Array): Promise<EndedSession | null> {
    const rows = await ask<EndedSession>(this.#pool, {
      name: 'refresh-token-owner',
      text: `SELECT s.user_id AS "userId", s.session_id AS "sessionId"
        FROM refresh_tokens t JOIN login_sessions s ON s.id = t.login_id WHERE t.hash = $1`,
      values: [refreshHash],
    });
    return rows[0] ?? null;
  }

  endExpired(limit: number, now: Millis): Promise<number> {
    return settledTransaction(this.#pool, (client) =>
      endExpiredSessions(client, limit, now, this.#policy),
    );
  }

  endedSince(cursor: string | null): Promise<EndedSessions> {
    return endedSince(this.#pool, cursor);
  }

  async #end(client: pg.ClientBase, session: SessionEnd): Promise<CommittedTransition> {
    const isOurs = await closeSession(client, session);
    const transition = await commitTransition(client, logout(session), this.#policy);
    const ownLife = this.#policy.accessTokenTtl + CLOCK_MARGIN;
    await refuseTokens(client, session, isOurs ? ownLife : FOREIGN_TOKEN_LIFE, this.#policy);
    return transition;
  }
}

function login({ userId, sessionId, at }: NewSession): PresenceEvent {
  return { type: 'login', userId, sessionId, occurredAt: at, status: 'online' };
}

function logout({ userId, sessionId, at }: SessionEnd): PresenceEvent {
  return { type: 'logout', userId, sessionId, occurredAt: at, status: 'offline' };
}

/** Whoever changes the password waits until it is committed, and ends it. */
async function insertSession(
  client: pg.ClientBase,
  { userId, passwordHash, sessionId, at, expiresAt }: NewSession,
): Promise<number> {
  const { rows } = await client.query<{ id: number }>({
    name: 'login-session-open',
    text: `INSERT INTO login_sessions (user_id, session_id, opened_at, expires_at)
      SELECT id, $3, $4, $5 FROM users WHERE id = $1 AND password_hash = $2 FOR SHARE
      RETURNING id`,
    values: [userId, passwordHash, sessionId, timestamp(at), timestamp(expiresAt)],
  });
  if (rows[0] === undefined) throw new UnknownUser(userId);
  return rows[0].id;
}

/** @returns whether it is a session of our own; another issuer's have no row to close. */
async function closeSession(
  client: pg.ClientBase,
  { userId, sessionId, at }: SessionEnd,
): Promise<boolean> {
  const { rowCount } = await client.query({
    name: 'login-session-close',
    text: `UPDATE login_sessions SET ended_at = coalesce(ended_at, $3)
      WHERE user_id = $1 AND session_id = $2`,
    values: [userId, sessionId, timestamp(at)],
  });
  return rowCount === 1;
}
