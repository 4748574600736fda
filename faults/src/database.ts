import type { SessionId, Status, UserId } from '@presence/domain';
import pg from 'pg';
import type { Row } from './reckoning.js';

/** What the database says, asked past the service. */
export class Database {
  constructor(readonly url: string) {}

  async query<R extends pg.QueryResultRow>(text: string, values: unknown[] = []): Promise<R[]> {
    const client = await this.connect();
    try {
      return (await client.query<R>(text, values)).rows;
    } finally {
      await client.end().catch(() => {}); // It may have gone with the server.
    }
  }

  /** A connection of the case's own; it ends it. */
  async connect(): Promise<pg.Client> {
    const client = new pg.Client({ connectionString: this.url });
    client.on('error', () => {}); // The query that it breaks rejects.
    await client.connect();
    return client;
  }

  /** Rows, and as-of, which is read after them: so it is not less than what they were judged by. */
  async rows(userIds: readonly UserId[]): Promise<{ asOf: number; rows: Map<UserId, Row> }> {
    const found = await this.query<RowText>(ROWS, [userIds]);
    const clock = await this.query<{ as_of: number }>(
      'SELECT (extract(epoch FROM as_of) * 1000)::float8 AS as_of FROM presence_clock',
    );
    return {
      asOf: clock[0]!.as_of,
      rows: new Map(found.map((row) => [Number(row.id), rowOf(row)])),
    };
  }

  /** Users that nobody added: their ids are over those of `people`. */
  async strangers(people: number): Promise<UserId[]> {
    const rows = await this.query<{ id: string }>('SELECT id FROM users WHERE id > $1', [people]);
    return rows.map(({ id }) => Number(id));
  }
}

interface RowText {
  readonly id: string;
  readonly last_seen: number | null;
  readonly online_status: Status;
  readonly declared: Status;
  readonly explicit: boolean;
  readonly session_id: SessionId;
  readonly session_ended: boolean;
  readonly ended: SessionId[];
}

const ROWS = `
  SELECT p.user_id AS id, (extract(epoch FROM last_seen) * 1000)::float8 AS last_seen,
    online_status, declared, explicit, session_id, session_ended,
    ARRAY(SELECT e.session_id FROM ended_sessions e WHERE e.user_id = p.user_id) AS ended
  FROM user_presence p WHERE p.user_id = ANY ($1)`;

function rowOf(row: RowText): Row {
  return {
    userId: Number(row.id),
    shown: row.online_status,
    sessionEnded: row.session_ended,
    presence: {
      lastSeen: row.last_seen,
      explicit: row.explicit,
      status: row.declared,
      sessionId: row.session_id,
      endedSessions: new Set(row.ended),
    },
  };
}
