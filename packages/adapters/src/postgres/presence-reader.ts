import {
  type Dated,
  InvalidCursor,
  LATEST,
  type Millis,
  type Page,
  type PageRequest,
  type PresenceReader,
  type SilencePolicy,
  type Statistics,
  type UserFilter,
  type UserId,
  type UserPresence,
} from '@presence/domain';
import type pg from 'pg';
import { decodeCursor, encodeCursor } from './cursor.js';
import { timestamp } from './event-row.js';
import { ask } from './pool.js';
import { COUNTS, type Condition, ONLINE, Statement } from './statement.js';
import { CLOCK, VISIBLE } from './visibility.js';

const USER = `u.id, u.username, u.email, u.role, ${VISIBLE} AS status, p.last_seen AS "lastSeen"`;

type NamedText = Required<Pick<pg.QueryConfig, 'name' | 'text'>>;

function usersWhere(name: string, condition: string): NamedText {
  const text = `
    SELECT clock.as_of AS "asOf", found.*
    FROM ${CLOCK} LEFT JOIN LATERAL (
      SELECT ${USER} FROM users u JOIN user_presence p ON p.user_id = u.id WHERE ${condition}
    ) found ON true`;
  return { name, text };
}

const USERS = usersWhere('read-users', 'u.id = ANY ($2)');
/** By itself: for an array of one PostgreSQL makes a new plan each time. */
const ONE_USER = usersWhere('read-user', 'u.id = $2');

/**
 * Every answer is one statement, hence one snapshot: as-of, rows and counts belong together. The
 * clock comes first and the rows are joined to it laterally, so that an answer without rows still
 * has its as-of.
 */
export class PostgresPresenceReader implements PresenceReader {
  readonly #pool: pg.Pool;
  readonly #policy: SilencePolicy;

  constructor(pool: pg.Pool, policy: SilencePolicy) {
    this.#pool = pool;
    this.#policy = policy;
  }

  async user(userId: UserId): Promise<Dated<UserPresence | null>> {
    const { asOf, value } = await this.#users(ONE_USER, userId);
    return { asOf, value: value[0] ?? null };
  }

  users(userIds: readonly UserId[]): Promise<Dated<readonly UserPresence[]>> {
    return this.#users(USERS, userIds);
  }

  async #users(
    statement: NamedText,
    asked: UserId | readonly UserId[],
  ): Promise<Dated<readonly UserPresence[]>> {
    const values = [this.#policy.offlineAfter, asked];
    const rows = await ask<UserRow>(this.#pool, { ...statement, values });
    return { asOf: rows[0]!.asOf, value: rows.filter(isFound).map(toUser) };
  }

  async online(page: PageRequest): Promise<Dated<Page<UserPresence>>> {
    const sql = new Statement(this.#policy.offlineAfter);
    const position = 'cursor' in page && page.cursor !== '' ? decodePlace(page.cursor) : null;
    const after: Condition = (at) =>
      `p.last_seen <= ${at[0]} AND (p.last_seen < ${at[0]} OR p.user_id > ${at[1]})`;
    if (position) sql.where(after, timestamp(position[0]!), position[1]!);
    const cut = { columns: USER, order: 'p.last_seen DESC, p.user_id', request: page };
    const rows = await ask<PageRow>(this.#pool, sql.page(ONLINE, cut));
    return toPage(rows, page, ({ lastSeen, id }) => [lastSeen!, id]);
  }

  async list(filter: UserFilter, page: PageRequest): Promise<Dated<Page<UserPresence>>> {
    const sql = new Statement(this.#policy.offlineAfter);
    const source = sql.matching(filter, page);
    if ('cursor' in page && page.cursor !== '') {
      sql.where((at) => `p.user_id > ${at[0]}`, decodeCursor(page.cursor, 1)[0]!);
    }
    const cut = { columns: USER, order: 'p.user_id', request: page };
    const rows = await ask<PageRow>(this.#pool, sql.page(source, cut));
    return toPage(rows, page, ({ id }) => [id]);
  }

  async statistics(): Promise<Dated<Statistics>> {
    const [row] = await ask<Statistics & { asOf: Millis }>(this.#pool, {
      name: 'read-statistics',
      text: `
        SELECT clock.as_of AS "asOf", (SELECT total FROM user_count) AS total,
          (${COUNTS.online}) AS online, (${COUNTS.away}) AS away
        FROM ${CLOCK}`,
      values: [this.#policy.offlineAfter],
    });
    const { asOf, total, online, away } = row!;
    return { asOf, value: { total, online, away, offline: total - online - away } };
  }
}

/** What is later is not written as PostgreSQL reads it (ISO 8601, expanded). @throws InvalidCursor */
function decodePlace(cursor: string): readonly number[] {
  const place = decodeCursor(cursor, 2);
  if (place[0]! < 0 || place[0]! > LATEST) throw new InvalidCursor();
  return place;
}

type UserRow = UserPresence & { readonly asOf: Millis };
type PageRow = UserRow & { readonly totalCount: number };

/** The one row of an answer without users has nothing but its as-of. */
function isFound(row: UserRow): boolean {
  return row.id !== null;
}

function toUser({ id, username, email, role, status, lastSeen }: UserRow): UserPresence {
  return { id, username, email, role, status, lastSeen };
}

/** One row more than asked for tells that there is a next page. */
function toPage(
  rows: readonly PageRow[],
  request: PageRequest,
  positionOf: (user: UserPresence) => number[],
): Dated<Page<UserPresence>> {
  const found = rows.filter(isFound).map(toUser);
  const items = found.slice(0, request.perPage);
  const last = items.at(-1);
  const nextCursor = found.length > items.length && last ? encodeCursor(positionOf(last)) : null;
  const hasPrevious = 'page' in request ? request.page > 1 : request.cursor !== '';
  const { asOf, totalCount } = rows[0]!;
  return { asOf, value: { items, totalCount, nextCursor, hasPrevious } };
}
