import { isExplicit, type PresenceEvent } from '@presence/domain';

/**
 * Events as the columns that `unnest` turns into rows again, each in PostgreSQL's notation of an
 * array: `pg` would look for what is to be quoted in every element of every column.
 */
export function eventColumns(events: readonly PresenceEvent[]): string[] {
  return [
    plainArray(events.map(({ userId }) => userId)),
    plainArray(events.map(({ occurredAt }) => timestamp(occurredAt))),
    plainArray(events.map(({ type }) => isExplicit(type))),
    plainArray(events.map(({ status }) => status)),
    textArray(events.map(({ sessionId }) => sessionId)),
  ];
}

/** Of values whose text holds nothing that means something within an array. */
function plainArray(values: readonly (number | boolean | string)[]): string {
  return `{${values.join()}}`;
}

/** Of any text; quoted, since "null" and the empty text would be taken for something else. */
export function textArray(values: readonly string[]): string {
  return `{${values.map((value) => `"${value.replaceAll(/["\\]/g, '\\$&')}"`).join()}}`;
}

/** Sorted, so that every writer locks rows in the same order: unsorted ones deadlock. */
export function byUser<T extends { readonly userId: number }>(rows: readonly T[]): T[] {
  return [...rows].sort((a, b) => a.userId - b.userId);
}

/** A moment as PostgreSQL reads it. */
export function timestamp(millis: number): string {
  return new Date(millis).toISOString();
}
