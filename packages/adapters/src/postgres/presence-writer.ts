import {
  type AppliedBatch,
  type CommittedStatus,
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
import { progressMarks } from './as-of-marks.js';
import { changeRows, type Step } from './change-row.js';
import { byUser, type EventColumns, eventColumns } from './event-row.js';
import { deferral } from './inbox-row.js';
import { type Ending, inOrder } from './pool.js';
import { CLOCK, VISIBLE } from './visibility.js';

/**
 * Joins a batch into the rows, within the caller's transaction (READ COMMITTED, PostgreSQL's
 * default), and says how to end it. It raises the errors of `pg` as they are.
 *
 * The order of its statements is the argument for its rightness. Ended sessions are noted first.
 * Rows are then locked, by being written. Only a later statement, whose snapshot is taken after
 * those locks, asks which sessions have ended: whoever ends one meanwhile either has committed,
 * and is seen, or waits for the row, and then finds the event of its session in it.
 */
export async function joinPresence(
  client: pg.ClientBase,
  batch: PresenceBatch,
  policy: PresencePolicy,
): Promise<Ending<AppliedBatch>> {
  const events = byUser(batch.events);
  await noteEndedSessions(client, batch, policy);
  await lockRows(client, batch);
  const columns = eventColumns(events);
  const { written, unknown, changed } = await writeEvents(client, events, columns, policy);
  const masked = await maskEndedSessions(client, events, batch.ended, columns, written);
  const steps = stepsOf(batch, written, [...changed, ...masked], policy);
  const { awaited = [], deferred = [], progress } = batch;
  const statements = [
    ...changeRows(steps),
    ...(deferred.length > 0 ? [deferral(deferred)] : []),
    ...(progress.length > 0 ? [progressMarks(progress)] : []),
  ];
  return async () => {
    const [current] = await inOrder([
      currentStatuses(client, awaited, policy),
      ...statements.map((statement) => client.query(statement)),
    ]);
    return { unknown, current, announced: steps.length > 0 };
  };
}

/** The same with its ending, where the transaction goes on. */
export async function writePresence(
  client: pg.ClientBase,
  batch: PresenceBatch,
  policy: PresencePolicy,
): Promise<AppliedBatch> {
  const end = await joinPresence(client, batch, policy);
  return end();
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
  (SELECT as_of FROM presence_clock) AS "asOf"`;

/** @param rows where two are of one user, the later one is how the transaction leaves it. */
function stepsOf(
  { events }: PresenceBatch,
  written: ReadonlySet<UserId>,
  rows: readonly ChangedRow[],
  policy: PresencePolicy,
): Step[] {
  if (rows.length === 0) return [];
  const causes = new Map(events.map((event) => [event.userId, event]));
  const last = new Map(rows.map((row) => [row.userId, row]));
  return [...last.values()].flatMap((row) => {
    const { type, occurredAt: at } = causes.get(row.userId)!;
    const cause = written.has(row.userId) ? type : 'logout';
    const before = { status: row.foundStatus, lastSeen: row.foundSeen };
    const steps = stepsBetween(before, row, { cause, at }, row.asOf, policy);
    return steps.map((step) => ({ ...step, userId: row.userId }));
  });
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
      INSERT INTO ended_sessions (user_id, session_id, expires_at, tokens_until)
      SELECT DISTINCT user_id, session_id, clock_timestamp() + $3 * interval '1 ms',
        clock_timestamp() + $4 * interval '1 ms'
      FROM unnest($1::bigint[], $2::text[]) AS e (user_id, session_id)
      WHERE EXISTS (SELECT FROM users WHERE id = user_id)
      ORDER BY user_id, session_id
      ON CONFLICT DO NOTHING`,
    values: [...sessionColumns(ended), policy.rememberSessions, policy.accessTokenTtl],
  });
}

/**
 * Locks all rows of a batch that ends sessions. The write alone would not do: it leaves rows alone
 * that are greater already, and one of them may hold an event of the session that ends. All of
 * them at once, in order of user, so that two such batches cannot deadlock.
 */
async function lockRows(client: pg.ClientBase, { events, ended }: PresenceBatch): Promise<void> {
  if (ended.length === 0) return;
  await client.query({
    name: 'presence-lock',
    text: `SELECT FROM user_presence WHERE user_id = ANY ($1) ORDER BY user_id FOR UPDATE`,
    values: [[...events, ...ended].map(({ userId }) => userId)],
  });
}

/**
 * The guarded, set-based statement. Its WHERE and SET mirror the domain's joinPresence and
 * visibleStatus; after waiting for another writer both are evaluated anew on the row that it left.
 */
async function writeEvents(
  client: pg.ClientBase,
  events: readonly PresenceEvent[],
  columns: EventColumns,
  policy: PresencePolicy,
): Promise<Written> {
  if (events.length === 0) return { written: new Set(), unknown: new Set(), changed: [] };
  const { userIds, millis, explicit, declared, sessionIds } = columns;
  // Arrays from a SELECT do not tell the planner how long they are. It would read the whole table for
  // 1,000 of 220,000 users, and lock rows in any order.
  //
  // A row with the ids of those that were written, where that is not everybody, and one for each that
  // changed: were the ids beside every change, a batch of transitions would be answered with the
  // square of its size.
  //
  // Who is unknown is asked in the same snapshot: of one who was added in between, his event would be
  // neither written nor refused.
  const { rows } = await client.query<ChangedRow & Left>({
    name: 'presence-write',
    text: `
      WITH clock AS MATERIALIZED (
        SELECT as_of - $6 * interval '1 ms' AS silent_before FROM presence_clock
      ), written AS (
        UPDATE user_presence p
        SET last_seen = e.occurred_at, explicit = e.explicit, declared = e.declared,
          session_id = e.session_id, session_ended = false, room = '',
          online_status = CASE WHEN e.occurred_at < ${SILENT_BEFORE} THEN 'offline'
            ELSE e.declared END,
          found_status = p.online_status, found_seen = p.last_seen
        FROM (
          SELECT user_id, timestamptz 'epoch' + millis * interval '1 ms' AS occurred_at, explicit,
            declared, session_id
          FROM unnest((SELECT $1::bigint[]), (SELECT $2::bigint[]), (SELECT $3::boolean[]),
            (SELECT $4::presence_status[]), (SELECT $5::text[]))
            AS e (user_id, millis, explicit, declared, session_id)
        ) e
        WHERE p.user_id = e.user_id AND (p.last_seen IS NULL
          OR (e.occurred_at, e.explicit, e.declared, e.session_id COLLATE "C")
            > (p.last_seen, p.explicit, p.declared, p.session_id))
        RETURNING ${CHANGED_ROW}, p.found_status <> p.online_status
          OR (p.found_status <> 'offline' AND p.found_seen < ${SILENT_BEFORE}) AS changed
      )
      SELECT total.*, changed.*
      FROM (
        SELECT ${UNLESS_ALL} coalesce(array_agg("userId"), '{}') END AS written,
          ${UNLESS_ALL} ARRAY(
            SELECT id FROM (SELECT unnest($1::bigint[]) EXCEPT SELECT "userId" FROM written) o (id)
            WHERE (SELECT true FROM user_presence p WHERE p.user_id = o.id) IS NULL) END AS unknown
        FROM written
      ) total
      FULL JOIN (SELECT * FROM written WHERE changed) changed ON false`,
    values: [userIds, millis, explicit, declared, sessionIds, policy.offlineAfter],
  });
  const changed = rows.filter(({ userId }) => userId !== null);
  const left = rows.find(({ written }) => written !== null);
  const written = new Set(left?.written ?? events.map(({ userId }) => userId));
  return { written, unknown: new Set(left?.unknown), changed };
}

/** What the statement says of whom, where it has not written everybody. */
interface Left {
  readonly written: UserId[] | null;
  readonly unknown: UserId[] | null;
}

interface Written {
  readonly written: ReadonlySet<UserId>;
  /** Who has no row. */
  readonly unknown: ReadonlySet<UserId>;
  readonly changed: ChangedRow[];
}

const UNLESS_ALL = 'CASE WHEN count(*) < cardinality($1::bigint[]) THEN';

/** A value of the whole statement: joined, the clock would be put beside each row. */
const SILENT_BEFORE = '(SELECT silent_before FROM clock)';

/**
 * Asks, now that the rows are locked, whose deciding event is of an ended session; that row counts
 * as offline from now on. It is looked for among the sessions of the batch: of what was written, and
 * of what ends where the row stayed as it was. (That there is no session never ends.)
 */
async function maskEndedSessions(
  client: pg.ClientBase,
  events: readonly PresenceEvent[],
  ended: PresenceBatch['ended'],
  columns: EventColumns,
  written: ReadonlySet<UserId>,
): Promise<ChangedRow[]> {
  const isWritten = ({ userId }: { readonly userId: UserId }) => written.has(userId);
  const all = written.size === events.length;
  const { userIds, sessionIds } = all ? columns : eventColumns(events.filter(isWritten));
  const left = ended.filter((session) => !isWritten(session));
  return [
    ...(written.size > 0 && events.some(hasSession)
      ? await mask(client, WRITTEN_MASK, [userIds, sessionIds])
      : []),
    ...(left.length > 0 ? await mask(client, LEFT_MASK, sessionColumns(left)) : []),
  ];
}

function hasSession({ sessionId }: PresenceEvent): boolean {
  return sessionId !== NO_SESSION;
}

interface Mask {
  readonly name: string;
  /** What the row holds as found. */
  readonly found: string;
}

/** What the write found stays, so that the step is told from there. */
const WRITTEN_MASK: Mask = { name: 'presence-mask', found: '' };
const LEFT_MASK: Mask = {
  name: 'presence-mask-left',
  found: ', found_status = p.online_status, found_seen = p.last_seen',
};

async function mask(
  client: pg.ClientBase,
  { name, found }: Mask,
  sessions: readonly [userIds: unknown, sessionIds: unknown],
): Promise<ChangedRow[]> {
  const { rows } = await client.query<ChangedRow>({
    name,
    text: `
      UPDATE user_presence p SET session_ended = true, online_status = 'offline'${found}
      FROM unnest($1::bigint[], $2::text[]) AS c (user_id, session_id)
        JOIN ended_sessions e USING (user_id, session_id)
      WHERE p.user_id = c.user_id AND p.session_id = c.session_id
        AND NOT p.explicit AND NOT p.session_ended
      RETURNING ${CHANGED_ROW}`,
    values: [...sessions],
  });
  return rows;
}

/** Nothing comes between this and the commit: what was written is locked. */
async function currentStatuses(
  client: pg.ClientBase,
  userIds: readonly UserId[],
  { offlineAfter }: PresencePolicy,
): Promise<ReadonlyMap<UserId, CommittedStatus>> {
  if (userIds.length === 0) return new Map();
  const { rows } = await client.query<CommittedStatus & { userId: UserId }>({
    name: 'presence-current',
    text: `
      SELECT p.user_id AS "userId", ${VISIBLE} AS status, p.last_seen AS "lastSeen"
      FROM user_presence p, ${CLOCK}
      WHERE p.user_id = ANY ($2)`,
    values: [offlineAfter, userIds],
  });
  return new Map(rows.map(({ userId, ...status }) => [userId, status]));
}

function sessionColumns(
  sessions: readonly { userId: UserId; sessionId: SessionId }[],
): [UserId[], SessionId[]] {
  const rows = byUser(sessions);
  return [rows.map(({ userId }) => userId), rows.map(({ sessionId }) => sessionId)];
}
