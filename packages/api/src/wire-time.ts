import type { Millis } from '@presence/domain';

/** RFC 3339, UTC, milliseconds. */
export function formatTime(time: Millis): string {
  return new Date(time).toISOString();
}

export function formatLastSeen(time: Millis | null): string | null {
  return time === null ? null : formatTime(time);
}
