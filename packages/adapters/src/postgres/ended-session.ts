import type {
  Duration,
  EndedSessionNotice,
  EndedSessions,
  Millis,
  PresencePolicy,
  SessionEnd,
} from '@presence/domain';
import type pg from 'pg';
import { timestamp } from './event-row.js';
import { LOOK_TIMEOUT, query } from './pool.js';

/**
 * How far back an answer reaches over the one before: a standby that is made the primary may use
 * numbers of transactions again that this one has seen end.
 */
const OVERLAP: Duration = 10_000;

/**
 * Records that a session's access tokens are to be refused, until all of them have expired:
 * `tokensUntil`, or `tokenLife` from now where that is later.
 */
export async function refuseTokens(
  client: pg.ClientBase,
  { userId, sessionId, tokensUntil }: SessionEnd,
  tokenLife: Duration,
  { rememberSessions }: PresencePolicy,
): Promise<void> {
  await client.query({
    name: 'ended-session-refuse',
    text: `
      INSERT INTO ended_sessions AS known
        (user_id, session_id, ended_at, tokens_refused, tokens_until, expires_at)
      SELECT $1, $2, clock_timestamp(), true, tokens.until,
        greatest(tokens.until, clock_timestamp() + $5 * interval '1 ms')
      FROM (
        SELECT greatest($3::timestamptz, clock_timestamp() + $4 * interval '1 ms') AS until
      ) tokens
      ON CONFLICT (user_id, session_id) DO UPDATE SET
        ended_at = excluded.ended_at,
        ended_by = excluded.ended_by,
        tokens_refused = true,
        tokens_until = greatest(known.tokens_until, excluded.tokens_until),
        expires_at = greatest(known.expires_at, excluded.expires_at)`,
    values: [userId, sessionId, timestamp(tokensUntil), tokenLife, rememberSessions],
  });
}

interface Look {
  readonly cursor: string;
  readonly asOf: Millis;
  readonly now: Millis;
}

/**
 * What has been committed since the last look, however long that took: a COMMIT may wait for a standby
 * for as long as it likes. A cursor is a moment of the database's clock, in microseconds since 1970,
 * and the numbers of the transactions that the look could not see: the first of those that had not
 * begun, and those under way. A number that has not been given out yet is another server's, from which
 * the row was restored.
 */
export async function endedSince(pool: pg.Pool, cursor: string | null): Promise<EndedSessions> {
  const [since = '0', first = '0', ...underWay] = cursor?.split(' ') ?? [];
  const rows = await query<Look & (EndedSessionNotice | { userId: null })>(pool, {
    name: 'ended-sessions-since',
    // The first one reads all that have ended, however many those are.
    ...(cursor !== null && { query_timeout: LOOK_TIMEOUT }),
    text: `
      SELECT concat_ws(' ',
          (extract(epoch FROM statement_timestamp()) * 1000000)::bigint - $2 * 1000,
          pg_snapshot_xmax(pg_current_snapshot()),
          (SELECT string_agg(xid::text, ' ') FROM pg_snapshot_xip(pg_current_snapshot()) xid)
        ) AS cursor, clock.as_of AS "asOf", clock_timestamp() AS now, e.user_id AS "userId",
        e.session_id AS "sessionId", e.tokens_refused AS "tokensRefused", e.tokens_until AS until
      FROM presence_clock clock LEFT JOIN ended_sessions e ON e.tokens_until > clock.as_of
        AND (e.ended_at >= timestamptz 'epoch' + $1 * interval '1 us'
          OR e.ended_by >= $3::xid8 AND e.ended_by < pg_snapshot_xmax(pg_current_snapshot())
          OR e.ended_by = ANY ($4::xid8[]))`,
    values: [since, OVERLAP, first, underWay],
  });
  const { cursor: next, asOf, now } = rows[0]!;
  const ended = rows.flatMap(({ cursor: _cursor, asOf: _asOf, now: _now, ...end }) =>
    end.userId === null ? [] : [end],
  );
  return { ended, cursor: next, asOf, now };
}
