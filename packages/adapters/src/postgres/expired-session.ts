import {
  type EndedSession,
  folded,
  type Millis,
  type PresenceEvent,
  type PresencePolicy,
} from '@presence/domain';
import type pg from 'pg';
import { refusalOf } from './errors.js';
import { timestamp } from './event-row.js';
import { deferral } from './inbox-row.js';
import { writePresence } from './presence-writer.js';
import { isHeldUp, unless } from './transition.js';

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
  const batch = { ...folded(logouts), progress: [] };
  const isOneAtFault = (error: unknown) => isHeldUp(error) || refusalOf(error) !== undefined;
  const applied = await unless(isOneAtFault, client, () => writePresence(client, batch, policy));
  if (!applied) await client.query(deferral(logouts));
}
