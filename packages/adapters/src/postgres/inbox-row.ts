import type { PresenceEvent } from '@presence/domain';
import type pg from 'pg';
import { timestamp } from './event-row.js';

/**
 * Commits events, at least one, without touching the rows that they are about; a worker applies
 * them later.
 */
export function deferral(events: readonly PresenceEvent[]): pg.QueryConfig {
  return {
    name: 'inbox-defer',
    text: `INSERT INTO presence_inbox (user_id, type, occurred_at, status, session_id)
      SELECT * FROM unnest($1::bigint[], $2::text[], $3::timestamptz[], $4::presence_status[],
        $5::text[])`,
    values: [
      events.map(({ userId }) => userId),
      events.map(({ type }) => type),
      events.map(({ occurredAt }) => timestamp(occurredAt)),
      events.map(({ status }) => status),
      events.map(({ sessionId }) => sessionId),
    ],
  };
}
