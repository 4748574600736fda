import type { Duration, Millis, Rotation, SessionId, UserId } from '@presence/domain';
import type pg from 'pg';
import { timestamp } from './event-row.js';

/** A refresh token beside its session, whose row is locked. */
export interface PresentedToken {
  readonly loginId: number;
  readonly userId: UserId;
  readonly sessionId: SessionId;
  readonly generation: number;
  readonly expiresAt: Millis;
  /** The generation that its session has reached. */
  readonly reached: number;
  readonly rotatedAt: Millis | null;
  readonly endedAt: Millis | null;
}

/** What showing a token means for its session. */
export type Meaning = 'current' | 'repeated' | 'reused' | 'invalid';

/**
 * A token of the generation that its session has reached is good for the next one. The directly
 * preceding one may be repeated for a moment: the answer that held its replacement may be lost.
 * The replacements it then gets are of one generation, so using one of them spends them all.
 */
export function meaningOf(token: PresentedToken, at: Millis, grace: Duration): Meaning {
  if (token.endedAt !== null || token.expiresAt <= at) return 'invalid';
  if (token.generation === token.reached) return 'current';
  const preceding = token.generation === token.reached - 1;
  return preceding && at - (token.rotatedAt ?? 0) < grace ? 'repeated' : 'reused';
}

/**
 * Locks the session row, so that rotations of one session take turns. Whoever had to wait reads
 * the session as the other one left it; what is read of the token never changes.
 */
export async function lockToken(
  client: pg.ClientBase,
  hash: Uint8Array,
): Promise<PresentedToken | undefined> {
  const { rows } = await client.query<PresentedToken>({
    name: 'refresh-token-lock',
    text: `
      SELECT s.id AS "loginId", s.user_id AS "userId", s.session_id AS "sessionId",
        t.generation, t.expires_at AS "expiresAt", s.generation AS reached,
        s.rotated_at AS "rotatedAt", s.ended_at AS "endedAt"
      FROM refresh_tokens t JOIN login_sessions s ON s.id = t.login_id
      WHERE t.hash = $1 FOR UPDATE OF s`,
    values: [hash],
  });
  return rows[0];
}

/** Moves the session on to the next generation, and forgets tokens that have expired. */
export async function nextGeneration(
  client: pg.ClientBase,
  loginId: number,
  { at }: Rotation,
): Promise<void> {
  await client.query({
    name: 'login-session-rotate',
    text: `UPDATE login_sessions SET generation = generation + 1, rotated_at = $2 WHERE id = $1`,
    values: [loginId, timestamp(at)],
  });
  await client.query({
    name: 'refresh-tokens-forget',
    text: `DELETE FROM refresh_tokens WHERE login_id = $1 AND expires_at <= $2`,
    values: [loginId, timestamp(at)],
  });
}

/** Adds a token to the generation that the session has reached, and lets the session live on. */
export async function addToken(
  client: pg.ClientBase,
  loginId: number,
  hash: Uint8Array,
  expiresAt: Millis,
): Promise<void> {
  await client.query({
    name: 'refresh-token-add',
    text: `
      WITH session AS (
        UPDATE login_sessions SET expires_at = greatest(expires_at, $3) WHERE id = $1
        RETURNING id, generation
      )
      INSERT INTO refresh_tokens (hash, login_id, generation, expires_at)
      SELECT $2, id, generation, $3 FROM session`,
    values: [loginId, hash, timestamp(expiresAt)],
  });
}
