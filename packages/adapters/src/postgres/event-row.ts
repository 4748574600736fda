import { isExplicit, type PresenceEvent } from '@presence/domain';

/** Events as the columns that `unnest` turns into rows again, each an array as PostgreSQL reads it. */
export interface EventColumns {
  readonly userIds: string;
  /** Milliseconds since 1970. */
  readonly millis: string;
  readonly explicit: string;
  readonly declared: string;
  readonly sessionIds: string;
}

export function eventColumns(events: readonly PresenceEvent[]): EventColumns {
  return {
    userIds: column(events, ({ userId }) => userId),
    millis: column(events, ({ occurredAt }) => occurredAt),
    explicit: column(events, ({ type }) => isExplicit(type)),
    declared: column(events, ({ status }) => status),
    sessionIds: column(events, ({ sessionId }) => quoted(sessionId)),
  };
}

/**
 * An array as PostgreSQL reads it. Given one of JavaScript, `pg` makes several texts of each element: a
 * quarter of this process's time for a batch of 1,000.
 * @param text what needs no quotes, or {@link quoted}; never empty
 */
function column<Row>(rows: readonly Row[], text: (row: Row) => string | number | boolean): string {
  let list = '';
  for (const row of rows) list += list === '' ? text(row) : `,${text(row)}`;
  return `{${list}}`;
}

/** Any text as an element of such an array. */
function quoted(text: string): string {
  return `"${/["\\]/.test(text) ? text.replaceAll(/["\\]/g, '\\$&') : text}"`;
}

/** Sorted, so that every writer locks rows in the same order: unsorted ones deadlock. */
export function byUser<T extends { readonly userId: number }>(rows: readonly T[]): T[] {
  return [...rows].sort((a, b) => a.userId - b.userId);
}

/** A moment as PostgreSQL reads it. */
export function timestamp(millis: number): string {
  return new Date(millis).toISOString();
}
