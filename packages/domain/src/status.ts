/**
 * The three statuses, least first: this order decides between two events that are equal in
 * everything before it, so that offline beats away and away beats online.
 */
export const STATUSES = ['online', 'away', 'offline'] as const;

export type Status = (typeof STATUSES)[number];

export function isStatus(value: unknown): value is Status {
  return value === 'online' || value === 'away' || value === 'offline';
}

/** Negative, zero or positive, as `a` comes before, with or after `b` in {@link STATUSES}. */
export function compareStatus(a: Status, b: Status): number {
  return a === b ? 0 : STATUSES.indexOf(a) - STATUSES.indexOf(b);
}
