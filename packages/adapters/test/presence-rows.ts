import {
  applyEvent,
  declaredPresence,
  NEVER_SEEN,
  type Presence,
  type PresenceEvent,
  type Status,
  type UserId,
} from '@presence/domain';
import type pg from 'pg';

/** A row in the terms of the rules. */
export interface Row {
  readonly lastSeen: number | null;
  readonly explicit: boolean;
  /** What the greatest event says, ended sessions considered. */
  readonly status: Status;
  readonly sessionId: string;
}

/** Users `1` to `count`, never seen, and nothing else. In one go: truncating takes ten times as long. */
export async function addUsers(pool: pg.Pool, count: number): Promise<void> {
  await pool.query(`
    DELETE FROM users; DELETE FROM ended_sessions; DELETE FROM presence_outbox;
    DELETE FROM presence_inbox; DELETE FROM publisher_marks;
    INSERT INTO users (id, issuer, subject, username, email, role)
      SELECT id, 'presence', id::text, 'user' || id, 'user' || id || '@example.com', 'user'
      FROM generate_series(1, ${count}) id;
    INSERT INTO user_presence (user_id) SELECT id FROM users`);
}

export async function setAsOf(pool: pg.Pool, asOf: number): Promise<void> {
  await pool.query('UPDATE presence_clock SET as_of = $1', [new Date(asOf).toISOString()]);
}

export async function readRows(pool: pg.Pool): Promise<Map<UserId, Row>> {
  const { rows } = await pool.query<Row & { userId: UserId }>(
    `SELECT user_id AS "userId", last_seen AS "lastSeen", explicit, session_id AS "sessionId",
       CASE WHEN session_ended AND NOT explicit THEN 'offline' ELSE declared END AS status
     FROM user_presence`,
  );
  return new Map(rows.map(({ userId, ...row }) => [userId, row]));
}

interface Counts {
  /** How many rows say online and away, as they are. */
  readonly rows: number[];
  /** The same, as those who write them have noted, … */
  readonly noted: number[];
  /** … in so many notes. */
  readonly notes: number;
  /** Whose rows say online, as they are, and as those who write them have noted. */
  readonly online: UserId[];
  readonly notedOnline: UserId[];
}

export async function readCounts(pool: pg.Pool): Promise<Counts> {
  const { rows } = await pool.query<Counts>(`
    SELECT ARRAY[count(*) FILTER (WHERE online_status = 'online'),
        count(*) FILTER (WHERE online_status = 'away')] AS rows,
      (SELECT ARRAY[sum(online), sum(away)]::bigint[] FROM presence_counts) AS noted,
      (SELECT count(*) FROM presence_counts) AS notes,
      coalesce(array_agg(user_id ORDER BY user_id) FILTER (WHERE online_status = 'online'), '{}')
        AS online,
      ARRAY(SELECT user_id FROM presence_online ORDER BY user_id) AS "notedOnline"
    FROM user_presence`);
  return rows[0]!;
}

/** The rows that the rules ask for. */
export function foldRows(events: readonly PresenceEvent[], users: number): Map<UserId, Row> {
  const folded = new Map<UserId, Presence>();
  for (let userId = 1; userId <= users; userId++) folded.set(userId, NEVER_SEEN);
  for (const event of events) {
    const known = folded.get(event.userId);
    if (known) folded.set(event.userId, applyEvent(known, event));
  }
  return new Map([...folded].map(([userId, presence]) => [userId, rowOf(presence)]));
}

function rowOf(presence: Presence): Row {
  const { lastSeen, explicit, sessionId } = presence;
  return { lastSeen, explicit, status: declaredPresence(presence), sessionId };
}
