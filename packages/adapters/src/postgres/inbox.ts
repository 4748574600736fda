import type { EventType, Millis, PresenceEvent, SessionId, Status, UserId } from '@presence/domain';
import type pg from 'pg';
import { timestamp } from './event-row.js';

/**
 * Commits a transition without touching the row that it is about, which somebody else has
 * locked; a worker applies it later.
 */
export async function deferEvent(client: pg.ClientBase, event: PresenceEvent): Promise<void> {
  await client.query({
    text: `INSERT INTO presence_inbox (user_id, type, occurred_at, status, session_id)
      VALUES ($1, $2, $3, $4, $5)`,
    values: [event.userId, event.type, timestamp(event.occurredAt), event.status, event.sessionId],
  });
}

interface InboxRow {
  readonly userId: UserId;
  readonly type: EventType;
  readonly occurredAt: Millis;
  readonly status: Status;
  readonly sessionId: SessionId;
}

/** Takes out the oldest deferred event, unless another worker has it in hand. */
export async function takeDeferred(
  client: pg.ClientBase,
  passed: number,
): Promise<PresenceEvent | undefined> {
  const { rows } = await client.query<InboxRow>({
    text: `
      DELETE FROM presence_inbox WHERE id = (
        SELECT id FROM presence_inbox ORDER BY id OFFSET $1 LIMIT 1 FOR UPDATE SKIP LOCKED
      )
      RETURNING user_id AS "userId", type, occurred_at AS "occurredAt", status,
        session_id AS "sessionId"`,
    values: [passed],
  });
  return rows[0];
}
