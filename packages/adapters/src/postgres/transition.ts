import {
  type CommittedStatus,
  type CommittedTransition,
  type Duration,
  type PresenceBatch,
  type PresenceEvent,
  type PresencePolicy,
  withEvent,
} from '@presence/domain';
import type pg from 'pg';
import { isConflict, isLockTimeout } from './errors.js';
import { deferEvent } from './inbox.js';
import { writePresence } from './presence-writer.js';
import { CLOCK, VISIBLE } from './visibility.js';

/** How long a login or logout waits for a presence row that somebody else has locked. */
const LOCK_TIMEOUT: Duration = 1_000;

/**
 * Gives a transition its effect within the caller's transaction: in the row, or, where that is
 * locked for longer than {@link LOCK_TIMEOUT}, in the inbox from which workers apply it.
 */
export async function commitTransition(
  client: pg.ClientBase,
  event: PresenceEvent,
  policy: PresencePolicy,
): Promise<CommittedTransition> {
  const ended = event.type === 'logout' ? [event] : [];
  const applied = await writeUnlessLocked(client, { events: [event], ended, progress: [] }, policy);
  if (!applied) await deferEvent(client, event);
  const presence = await committedStatus(client, event, policy);
  return applied
    ? { presence, pending: false }
    : { presence: withEvent(presence, event), pending: true };
}

/**
 * {@link writePresence}, unless a row is locked: then it is undone, and the caller's transaction
 * goes on without it. @returns whether it was written.
 */
export async function writeUnlessLocked(
  client: pg.ClientBase,
  batch: PresenceBatch,
  policy: PresencePolicy,
): Promise<boolean> {
  await client.query(`SAVEPOINT presence; SET LOCAL lock_timeout = ${LOCK_TIMEOUT}`);
  try {
    await writePresence(client, batch, policy);
    await client.query('RELEASE SAVEPOINT presence');
    return true;
  } catch (error) {
    if (!isLockTimeout(error) && !isConflict(error)) throw error;
    await client.query('ROLLBACK TO SAVEPOINT presence');
    return false;
  }
}

/** What reads will show of the user once the transaction is committed. */
async function committedStatus(
  client: pg.ClientBase,
  { userId }: PresenceEvent,
  { offlineAfter }: PresencePolicy,
): Promise<CommittedStatus> {
  const { rows } = await client.query<CommittedStatus>({
    name: 'transition-status',
    text: `SELECT ${VISIBLE} AS status, p.last_seen AS "lastSeen"
      FROM user_presence p, ${CLOCK} WHERE p.user_id = $2`,
    values: [offlineAfter, userId],
  });
  return rows[0] ?? { status: 'offline', lastSeen: null };
}
