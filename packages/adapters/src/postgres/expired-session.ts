import {
  type EndedSession,
  Fold,
  type Millis,
  type PresenceEvent,
  type PresencePolicy,
  type UserId,
} from '@presence/domain';
import type pg from 'pg';
import { timestamp } from './event-row.js';
import { deferEvent } from './inbox.js';
import { writePresence } from './presence-writer.js';
import { unlessLocked } from './transition.js';

interface ExpiredSession extends EndedSession {
  readonly expiresAt: Millis;
  readonly endedAt: Millis | null;
}

/**
 * Forgets up to `limit` sessions whose last refresh token has expired, and ends those that nobody
 * has ended: a logout at the moment of expiry, whenever that is noticed. @returns how many.
 */
export async function endExpiredSessions(
  client: pg.ClientBase,
  limit: number,
  now: Millis,
  policy: PresencePolicy,
): Promise<number> {
  const expired = await forgetExpired(client, limit, now);
  const logouts = expired.filter(({ endedAt }) => endedAt === null).map(logout);
  if (logouts.length > 0) await apply(client, logouts, policy);
  return expired.length;
}

async function forgetExpired(
  client: pg.ClientBase,
  limit: number,
  now: Millis,
): Promise<ExpiredSession[]> {
  const { rows } = await client.query<ExpiredSession>({
    name: 'login-sessions-expired',
    text: `
      DELETE FROM login_sessions WHERE id IN (
        SELECT id FROM login_sessions WHERE expires_at <= $1
        ORDER BY expires_at LIMIT $2 FOR UPDATE SKIP LOCKED
      )
      RETURNING user_id AS "userId", session_id AS "sessionId", expires_at AS "expiresAt",
        ended_at AS "endedAt"`,
    values: [timestamp(now), limit],
  });
  return rows;
}

function logout({ userId, sessionId, expiresAt }: ExpiredSession): PresenceEvent {
  return { type: 'logout', userId, sessionId, occurredAt: expiresAt, status: 'offline' };
}

async function apply(
  client: pg.ClientBase,
  logouts: readonly PresenceEvent[],
  policy: PresencePolicy,
): Promise<void> {
  const fold = new Fold<UserId, PresenceEvent>();
  for (const event of logouts) fold.add(event.userId, event);
  const events = fold.take(fold.size);
  const batch = { events, ended: logouts, progress: [] };
  if (await unlessLocked(client, () => writePresence(client, batch, policy))) return;
  for (const event of logouts) await deferEvent(client, event);
}
