import { isExplicit, type PresenceEvent } from '@presence/domain';

/** Events as the columns that `unnest` turns into rows again. */
export function eventColumns(
  events: readonly PresenceEvent[],
): [number[], string[], boolean[], string[], string[]] {
  return [
    events.map(({ userId }) => userId),
    events.map(({ occurredAt }) => timestamp(occurredAt)),
    events.map(({ type }) => isExplicit(type)),
    events.map(({ status }) => status),
    events.map(({ sessionId }) => sessionId),
  ];
}

/** Sorted, so that every writer locks rows in the same order: unsorted ones deadlock. */
export function byUser<T extends { readonly userId: number }>(rows: readonly T[]): T[] {
  return [...rows].sort((a, b) => a.userId - b.userId);
}

/** A moment as PostgreSQL reads it. */
export function timestamp(millis: number): string {
  return new Date(millis).toISOString();
}
