import {
  type CommittedStatus,
  type CommittedTransition,
  type Duration,
  type Millis,
  type PresenceEvent,
  type PresencePolicy,
  withEvent,
} from '@presence/domain';
import type pg from 'pg';
import { isConflict, isLockTimeout } from './errors.js';
import { deferral } from './inbox-row.js';
import { writePresence } from './presence-writer.js';
import { CLOCK, VISIBLE } from './visibility.js';

/** How long a login or logout waits for a presence row that somebody else has locked. */
const LOCK_TIMEOUT: Duration = 1_000;

/**
 * Gives a transition its effect within the caller's transaction: in the row, or, where that is
 * locked for longer than {@link LOCK_TIMEOUT}, in the inbox from which workers apply it.
 *
 * It is stamped later than all that the row is known to hold: an event that a clock ahead of ours
 * has stamped would otherwise leave a user online who has just been told that he is logged out.
 */
export async function commitTransition(
  client: pg.ClientBase,
  event: PresenceEvent,
  policy: PresencePolicy,
): Promise<CommittedTransition> {
  const applied = await unless(isHeldUp, client, async () => {
    const stamped = laterThan(await lockedLastSeen(client, event), event);
    const ended = event.type === 'logout' ? [event] : [];
    await writePresence(client, { events: [stamped], ended, progress: [] }, policy);
  });
  const presence = await committedStatus(client, event, policy);
  if (applied) return { presence, pending: false };
  const stamped = laterThan(presence.lastSeen, event);
  await client.query(deferral([stamped]));
  return { presence: withEvent(presence, stamped), pending: true };
}

/** Whether somebody else had the row at the time. */
export function isHeldUp(error: unknown): boolean {
  return isLockTimeout(error) || isConflict(error);
}

/**
 * Does `work`, unless an error comes up that is expected: then it is undone, and the caller's
 * transaction goes on without it. @returns whether it was done.
 */
export async function unless(
  isExpected: (error: unknown) => boolean,
  client: pg.ClientBase,
  work: () => Promise<unknown>,
): Promise<boolean> {
  await client.query(`SAVEPOINT presence; SET LOCAL lock_timeout = ${LOCK_TIMEOUT}`);
  try {
    await work();
    await client.query('RELEASE SAVEPOINT presence');
    return true;
  } catch (error) {
    if (!isExpected(error)) throw error;
    await client.query('ROLLBACK TO SAVEPOINT presence');
    return false;
  }
}

async function lockedLastSeen(
  client: pg.ClientBase,
  { userId }: PresenceEvent,
): Promise<Millis | null> {
  const { rows } = await client.query<{ lastSeen: Millis | null }>({
    name: 'transition-lock',
    text: `SELECT last_seen AS "lastSeen" FROM user_presence WHERE user_id = $1 FOR UPDATE`,
    values: [userId],
  });
  return rows[0]?.lastSeen ?? null;
}

function laterThan(lastSeen: Millis | null, event: PresenceEvent): PresenceEvent {
  if (lastSeen === null || lastSeen < event.occurredAt) return event;
  return { ...event, occurredAt: lastSeen + 1 };
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
