import {
  DEFAULT_PER_PAGE,
  type Duration,
  type PageRequest,
  type Status,
  type UserFilter,
} from '@presence/domain';
import type pg from 'pg';
import { CLOCK, SHOWN } from './visibility.js';

/** SQL over its own parameters' placeholders. */
export type Condition = (placeholders: readonly string[]) => string;

/** What a page is cut from: rows `p` of user_presence. */
export interface Source {
  /** A statement that looks for them; the others then speak of `found`. */
  readonly found?: string;
  /** A statement that counts them. */
  readonly count: string;
  /** Statements that give them, up to their WHERE clauses; no row is in two of them. */
  readonly parts: readonly string[];
}

interface Cut {
  readonly columns: string;
  readonly order: string;
  readonly request: PageRequest;
}

/** One page of users: collects conditions and their parameters; `$1` is the silence allowed. */
export class Statement {
  readonly #values: unknown[];
  readonly #conditions: string[] = [];

  constructor(offlineAfter: Duration) {
    this.#values = [offlineAfter];
  }

  /** Narrows the page, not the count. */
  where(condition: Condition, ...values: unknown[]): void {
    this.#conditions.push(condition(values.map((value) => this.#parameter(value))));
  }

  /** The users that match a filter, for pages in order of id. */
  matching({ status, search }: UserFilter, request: PageRequest): Source {
    const parts: readonly Part[] = status === undefined ? ALL : PARTS[status];
    if (search === undefined) {
      const count = status === undefined ? 'SELECT total FROM user_count' : COUNTS[status];
      return { count, parts: parts.map((part) => partOf(part, skippedBy(request) > 0)) };
    }
    const pattern = this.#parameter(`%${search.replaceAll(/[\\%_]/g, '\\$&')}%`);
    return {
      found: parts.map((part) => searched(part, pattern)).join(' UNION ALL '),
      count: 'SELECT count(*) FROM found',
      parts: ['SELECT p.* FROM found p WHERE true'],
    };
  }

  /**
   * The total stands apart: beside the rows it would be counted once for each of them. Each part
   * is ordered and cut by itself, so that an index can give it in order. How many rows is written
   * out: a plan for whatever number there may be is one for a tenth of all users.
   */
  page({ found, count, parts }: Source, { columns, order, request }: Cut): pg.QueryConfig {
    const skipped = skippedBy(request);
    const taken = request.perPage + 1;
    const cut = (part: string) =>
      `(${[part, ...this.#conditions].join(' AND ')} ORDER BY ${order} LIMIT ${skipped + taken})`;
    const text = `
        WITH clock AS MATERIALIZED (SELECT * FROM ${CLOCK}),
          ${found === undefined ? '' : `found AS MATERIALIZED (${found}),`}
          total AS MATERIALIZED (SELECT (${count}) AS "totalCount" FROM clock)
        SELECT clock.as_of AS "asOf", total."totalCount", page.*
        FROM clock CROSS JOIN total LEFT JOIN LATERAL (
          SELECT ${columns} FROM (
            SELECT p.* FROM (${parts.map(cut).join(' UNION ALL ')}) p
            ORDER BY ${order} LIMIT ${taken} OFFSET ${skipped}
          ) p JOIN users u ON u.id = p.user_id
          ORDER BY ${order}
        ) page ON true`;
    // A search is planned for what it looks for, and a page by number for how far back it lies. A
    // connection keeps what has a name for good: one for each length that somebody asks is too many.
    const named = skipped === 0 && found === undefined && request.perPage === DEFAULT_PER_PAGE;
    return { ...(named && { name: nameOf(text) }), text, values: this.#values };
  }

  #parameter(value: unknown): string {
    return `$${this.#values.push(value)}`;
  }
}

/** How many rows lie before those of a page by number. */
function skippedBy(request: PageRequest): number {
  return 'page' in request ? (request.page - 1) * request.perPage : 0;
}

/** Each text so far with its name: one for each filter, since what is asked is in the values. */
const NAMES = new Map<string, string>();

/**
 * So that a connection has it parsed once, and planned once where one plan is good for all: beside
 * 5,000 heartbeats a second, of a million users, the first page of who is online took the database
 * 0.51 ms instead of 1.10.
 */
function nameOf(text: string): string {
  const name = NAMES.get(text) ?? `page-${NAMES.size + 1}`;
  NAMES.set(text, name);
  return name;
}

interface Part {
  /** Default: all of user_presence. */
  readonly from?: string;
  readonly where: string;
  /**
   * Few rows match, if any: find them first and order them then. The planner, which expects many,
   * would walk through all users in order until it has met enough of them.
   */
  readonly few?: boolean;
  /** Most rows match: find those who are searched for among the users, and look up their rows. */
  readonly most?: boolean;
}

const PRESENCE = 'user_presence p';
const ROW = 'p.user_id, p.online_status, p.last_seen';

/** @param deep where many rows are skipped: to look each of them up takes longer than to pass others by */
function partOf({ from, where, few, most }: Part, deep = false): string {
  const source = from === undefined || (deep && most) ? PRESENCE : from;
  const rows = `SELECT ${ROW} FROM ${source} WHERE ${where}`;
  return few ? `SELECT p.* FROM (${rows} OFFSET 0) p WHERE true` : rows;
}

/**
 * Those whose name or address has the pattern, all of them: they are counted anyway. Cut to a page at
 * once, a pattern that the planner takes for frequent would be looked for in everybody, in order of
 * id (0.26 s of 200,000 users).
 */
function searched({ from, where, most }: Part, pattern: string): string {
  const rows = most ? ROW_OF_USER : (from ?? PRESENCE);
  return `SELECT ${ROW}
    FROM clock CROSS JOIN users u JOIN ${rows} ON p.user_id = u.id
    WHERE (u.username ILIKE ${pattern} OR u.email ILIKE ${pattern}) AND ${where}`;
}

/**
 * OFFSET keeps the planner from reading all of user_presence: by chance of a sample it takes a
 * hundred who match for two thousand (15 ms instead of 7, of 200,000 users).
 */
const ROW_OF_USER = 'LATERAL (SELECT * FROM user_presence WHERE user_id = u.id OFFSET 0) p';

const ALL: readonly Part[] = [{ where: 'true', most: true }];

/**
 * Those whose ids a statement gives, in order of an index, each with its row. OFFSET keeps the
 * planner from walking through all users instead, and asking of each if it is one of them: where
 * 100,000 others come first, a page took 30 ms.
 */
function rowsOf(ids: string): string {
  return `(SELECT o.user_id, r.* FROM (${ids}) o CROSS JOIN LATERAL (
    SELECT online_status, last_seen FROM user_presence WHERE user_id = o.user_id OFFSET 0) r) p`;
}

/**
 * The users that a status shows, as parts that an index answers each, in order of id: who is offline
 * either says so in the row, or has fallen silent since the last sweep. The index by status leaves
 * out who is online.
 */
const PARTS: Record<Status, readonly Part[]> = {
  online: [{ from: rowsOf('SELECT user_id FROM presence_online'), where: SHOWN.online }],
  away: [{ where: SHOWN.away }],
  offline: [
    {
      from: rowsOf(`SELECT user_id FROM user_presence WHERE online_status = 'offline'`),
      where: `p.online_status = 'offline'`,
      most: true,
    },
    { where: SHOWN.silent, few: true },
  ],
};

/**
 * Those whose rows say so, which presence_counts knows, without those who have fallen silent since
 * the last sweep.
 */
function shown(status: 'online' | 'away'): string {
  return `SELECT (SELECT coalesce(sum(${status}), 0)::bigint FROM presence_counts)
    - (SELECT count(*) FROM user_presence p
      WHERE ${SHOWN.silent} AND p.online_status = '${status}')`;
}

const [online, away] = [shown('online'), shown('away')];

/** How many a status shows. Most users are offline: they are what is left, not counted. */
export const COUNTS: Record<Status, string> = {
  online,
  away,
  offline: `SELECT total - (${online}) - (${away}) FROM user_count`,
};

/** Who is online, for pages in order of when they were last seen. */
export const ONLINE: Source = { count: COUNTS.online, parts: [partOf({ where: SHOWN.online })] };
