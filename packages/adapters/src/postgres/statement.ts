import type { Duration, PageRequest, Status, UserFilter } from '@presence/domain';
import type pg from 'pg';
import { CLOCK, SHOWN } from './visibility.js';

/** SQL over its own parameters' placeholders. */
export type Condition = (placeholders: readonly string[]) => string;

interface Paged {
  /** A statement that counts all rows that match. */
  readonly count: string;
  /** A statement that gives them, as `p`, up to its WHERE clause. */
  readonly rows: string;
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

  /** The rows and the count of users that match a filter. */
  matching({ status, search }: UserFilter): Pick<Paged, 'count' | 'rows'> {
    const from = search === undefined ? 'user_presence p' : this.#searched(search);
    const parts = status === undefined ? ['true'] : PARTS[status];
    const counts = parts.map((part) => `(SELECT count(*) FROM ${from} WHERE ${part})`);
    const rows = parts.map((part) => `SELECT p.* FROM ${from} WHERE ${part}`);
    return {
      count: `SELECT ${counts.join(' + ')}`,
      rows:
        rows.length === 1 ? rows[0]! : `SELECT p.* FROM (${rows.join(' UNION ALL ')}) p WHERE true`,
    };
  }

  page({ count, rows, columns, order, request }: Paged): pg.QueryConfig {
    const narrowed = [rows, ...this.#conditions].join(' AND ');
    const limit = this.#parameter(request.perPage + 1);
    const offset = this.#parameter('page' in request ? (request.page - 1) * request.perPage : 0);
    return {
      text: `
        SELECT clock.as_of AS "asOf", (${count}) AS "totalCount", page.*
        FROM ${CLOCK} LEFT JOIN LATERAL (
          SELECT ${columns} FROM (
            ${narrowed} ORDER BY ${order} LIMIT ${limit} OFFSET ${offset}
          ) p JOIN users u ON u.id = p.user_id
          ORDER BY ${order}
        ) page ON true`,
      values: this.#values,
    };
  }

  #searched(search: string): string {
    const pattern = this.#parameter(`%${search.replaceAll(/[\\%_]/g, '\\$&')}%`);
    return `(SELECT p.* FROM user_presence p JOIN users u ON u.id = p.user_id
      WHERE u.username ILIKE ${pattern} OR u.email ILIKE ${pattern}) p`;
  }

  #parameter(value: unknown): string {
    return `$${this.#values.push(value)}`;
  }
}

/**
 * The users that a status shows, as parts that an index answers each: who is offline either says
 * so in the row, or has fallen silent since the last sweep.
 */
const PARTS: Record<Status, readonly string[]> = {
  online: [SHOWN.online],
  away: [SHOWN.away],
  offline: [`p.online_status = 'offline'`, SHOWN.silent],
};
