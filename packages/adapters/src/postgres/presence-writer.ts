import {
  type EventType,
  type Millis,
  NO_SESSION,
  type PresenceBatch,
  type PresenceEvent,
  type PresencePolicy,
  type SessionId,
  type Status,
  stepsBetween,
  type UserId,
} from '@presence/domain';
import type pg from 'pg';
import { recordMarks } from './as-of-marks.js';
import { insertChanges, type Step } from './change-row.js';
import { byUser, eventColumns } from './event-row.js';

export interface WrittenBatch {
  /** Users that do not exist. */
  readonly unknown: ReadonlySet<UserId>;
  /** How many rows were overtaken by an event of the batch. */
  readonly written: number;
}

/**
 * Joins a batch into the rows, within the caller's transaction (READ COMMITTED, PostgreSQL's
 * default). It raises the errors of `pg` as they are.
 *
 * The order of its steps is the argument for its rightness: ended sessions are noted first; rows
 * are then locked, by being written; only a later statement, whose snapshot is taken after those
 * locks, asks which sessions have ended. Whoever ends a session meanwhile either has committed,
 * and is seen, or waits for the row, and then finds the event of its session in it.
 */
export async function writePresence(
  client: pg.ClientBase,
  batch: PresenceBatch,
  policy: PresencePolicy,
): Promise<WrittenBatch> {
  const events = byUser(batch.events);
  await noteEndedSessions(client, batch, policy);
  const ended = await maskEndedRows(client, batch);
  const { written, changed } = await writeEvents(client, events, policy);
  const masked = await maskWrittenRows(client, events, written);
  await insertChanges(client, steps(batch, { ended, changed, masked }, policy));
  await recordMarks(client, batch.progress);
  return { unknown: await unknownUsers(client, events, written), written: written.size };
}

/** A row that now shows something else, or whose silence had run out unnoticed. */
interface ChangedRow {
  readonly userId: UserId;
  readonly foundStatus: Status;
  readonly foundSeen: Millis | null;
  readonly status: Status;
  readonly lastSeen: Millis;
  readonly asOf: Millis;
}

const CHANGED_ROW = `p.user_id AS "userId", p.found_status AS "foundStatus",
  p.found_seen AS "foundSeen", p.online_status AS status, p.last_seen AS "lastSeen",
  clock.as_of AS "asOf"`;

function steps(
  { events }: PresenceBatch,
  rows: { ended: ChangedRow[]; changed: ChangedRow[]; masked: ChangedRow[] },
  policy: PresencePolicy,
): Step[] {
  if (rows.ended.length + rows.changed.length + rows.masked.length === 0) return [];
  const causes = new Map(events.map((event) => [event.userId, event]));
  // A row that was written and then masked is told once, as the transaction leaves it.
  const written = new Map([...rows.changed, ...rows.masked].map((row) => [row.userId, row]));
  return [
    ...rows.ended.flatMap((row) => {
      const at = causes.get(row.userId)?.occurredAt ?? row.lastSeen;
      return stepsOf(row, { cause: 'logout', at }, policy);
    }),
    ...[...written.values()].flatMap((row) => {
      const { type: cause, occurredAt: at } = causes.get(row.userId)!;
      return stepsOf(row, { cause, at }, policy);
    }),
  ];
}

function stepsOf(
  row: ChangedRow,
  cause: { cause: EventType; at: Millis },
  policy: PresencePolicy,
): Step[] {
  const before = { status: row.foundStatus, lastSeen: row.foundSeen };
  const between = stepsBetween(before, row, cause, row.asOf, policy);
  return between.map((step) => ({ ...step, userId: row.userId }));
}

async function noteEndedSessions(
  client: pg.ClientBase,
  { ended }: PresenceBatch,
  policy: PresencePolicy,
): Promise<void> {
  if (ended.length === 0) return;
  await client.query({
    name: 'presence-end-sessions',
    text: `
      INSERT INTO ended_sessions (user_id, session_id, expires_at)
      SELECT DISTINCT user_id, session_id, clock_timestamp() + $3 * interval '1 ms'
      FROM unnest($1::bigint[], $2::text[]) AS e (user_id, session_id)
      WHERE EXISTS (SELECT FROM users WHERE id = user_id)
      ORDER BY user_id, session_id
      ON CONFLICT DO NOTHING`,
    values: [...sessionColumns(ended), policy.rememberSessions],
  });
}

/** Rows whose deciding event is of a session that this batch ends say offline from now on. */
async function maskEndedRows(
  client: pg.ClientBase,
  { ended }: PresenceBatch,
): Promise<ChangedRow[]> {
  if (ended.length === 0) return [];
  const { rows } = await client.query<ChangedRow>({
    name: 'presence-mask-ended',
    text: `
      WITH due AS (
        SELECT p.user_id FROM user_presence p
        JOIN unnest($1::bigint[], $2::text[]) AS e (user_id, session_id)
          ON p.user_id = e.user_id AND p.session_id = e.session_id COLLATE "C"
        WHERE NOT p.explicit AND NOT p.session_ended
        ORDER BY p.user_id FOR UPDATE OF p
      )
      UPDATE user_presence p
      SET session_ended = true, online_status = 'offline',
        found_status = p.online_status, found_seen = p.last_seen
      FROM due, presence_clock clock
      WHERE p.user_id = due.user_id
      RETURNING ${CHANGED_ROW}`,
    values: sessionColumns(ended),
  });
  return rows;
}

/**
 * The guarded, set-based statement. Its WHERE and SET mirror the domain's joinPresence and
 * visibleStatus; after waiting for another writer both are evaluated anew on the row that it left.
 */
async function writeEvents(
  client: pg.ClientBase,
  events: readonly PresenceEvent[],
  policy: PresencePolicy,
): Promise<{ written: ReadonlySet<UserId>; changed: ChangedRow[] }> {
  if (events.length === 0) return { written: new Set(), changed: [] };
  const { rows } = await client.query<ChangedRow & { written: UserId[] | null }>({
    name: 'presence-write',
    text: `
      WITH clock AS MATERIALIZED (
        SELECT as_of, as_of - $6 * interval '1 ms' AS silent_before FROM presence_clock
      ), written AS (
        UPDATE user_presence p
        SET last_seen = e.occurred_at, explicit = e.explicit, declared = e.declared,
          session_id = e.session_id, session_ended = false,
          online_status = CASE WHEN e.occurred_at < clock.silent_before THEN 'offline'
            ELSE e.declared END,
          found_status = p.online_status, found_seen = p.last_seen
        FROM unnest($1::bigint[], $2::timestamptz[], $3::boolean[], $4::presence_status[],
          $5::text[]) AS e (user_id, occurred_at, explicit, declared, session_id), clock
        WHERE p.user_id = e.user_id AND (p.last_seen IS NULL
          OR (e.occurred_at, e.explicit, e.declared, e.session_id COLLATE "C")
            > (p.last_seen, p.explicit, p.declared, p.session_id))
        RETURNING ${CHANGED_ROW}, p.found_status <> p.online_status
          OR (p.found_status <> 'offline' AND p.found_seen < clock.silent_before) AS changed
      )
      SELECT total.written, changed.*
      FROM (SELECT array_agg("userId") AS written FROM written) total
      LEFT JOIN written changed ON changed`,
    values: [...eventColumns(events), policy.offlineAfter],
  });
  const changed = rows.filter(({ userId }) => userId !== null);
  return { written: new Set(rows[0]!.written), changed };
}

/**
 * Asks, now that the rows are locked, which of the events just written are of ended sessions.
 * Those rows keep what the write found, so that their step is told from there.
 */
async function maskWrittenRows(
  client: pg.ClientBase,
  events: readonly PresenceEvent[],
  written: ReadonlySet<UserId>,
): Promise<ChangedRow[]> {
  const sessions = events.filter(
    ({ userId, sessionId }) => sessionId !== NO_SESSION && written.has(userId),
  );
  if (sessions.length === 0) return [];
  const { rows } = await client.query<ChangedRow>({
    name: 'presence-mask-written',
    text: `
      UPDATE user_presence p
      SET session_ended = true, online_status = 'offline'
      FROM unnest($1::bigint[], $2::text[]) AS e (user_id, session_id)
      JOIN ended_sessions ended
        ON ended.user_id = e.user_id AND ended.session_id = e.session_id COLLATE "C",
        presence_clock clock
      WHERE p.user_id = e.user_id AND p.session_id = ended.session_id
        AND NOT p.explicit AND NOT p.session_ended
      RETURNING ${CHANGED_ROW}`,
    values: sessionColumns(sessions),
  });
  return rows;
}

async function unknownUsers(
  client: pg.ClientBase,
  events: readonly PresenceEvent[],
  written: ReadonlySet<UserId>,
): Promise<ReadonlySet<UserId>> {
  const doubtful = events.map(({ userId }) => userId).filter((userId) => !written.has(userId));
  if (doubtful.length === 0) return new Set();
  const { rows } = await client.query<{ userId: UserId }>({
    name: 'presence-unknown',
    text: `
      SELECT user_id AS "userId" FROM unnest($1::bigint[]) AS e (user_id)
      WHERE NOT EXISTS (SELECT FROM user_presence p WHERE p.user_id = e.user_id)`,
    values: [doubtful],
  });
  return new Set(rows.map(({ userId }) => userId));
}

function sessionColumns(
  sessions: readonly { userId: UserId; sessionId: SessionId }[],
): [UserId[], SessionId[]] {
  const rows = byUser(sessions);
  return [rows.map(({ userId }) => userId), rows.map(({ sessionId }) => sessionId)];
}
