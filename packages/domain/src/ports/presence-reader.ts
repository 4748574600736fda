import type { Status } from '../status.js';
import type { Millis } from '../time.js';
import type { UserId, UserPresence } from '../user.js';

/** A value together with the as-of of the very snapshot that it was read in. */
export interface Dated<T> {
  readonly asOf: Millis;
  readonly value: T;
}

/** How long a page is unless it is asked for otherwise: nearly all are. */
export const DEFAULT_PER_PAGE = 50;

/** Either `page`, from 1, or `cursor`, as an earlier page gave it (`''` for the first). */
export type PageRequest =
  | { readonly perPage: number; readonly page: number }
  | { readonly perPage: number; readonly cursor: string };

export interface Page<T> {
  readonly items: readonly T[];
  readonly totalCount: number;
  /** Where the next page begins; `null` at the end. */
  readonly nextCursor: string | null;
  readonly hasPrevious: boolean;
}

export interface UserFilter {
  readonly status?: Status;
  /** A literal, case-insensitive part of the username or the e-mail address. */
  readonly search?: string;
}

export interface Statistics {
  readonly total: number;
  readonly online: number;
  readonly away: number;
  readonly offline: number;
}

/** The rows that say who is online: the read side. All statuses are the visible ones. */
export interface PresenceReader {
  user(userId: UserId): Promise<Dated<UserPresence | null>>;
  /** Users that do not exist are left out. */
  users(userIds: readonly UserId[]): Promise<Dated<readonly UserPresence[]>>;
  /** Who is online: most recently seen first, then by id. @throws InvalidCursor */
  online(page: PageRequest): Promise<Dated<Page<UserPresence>>>;
  /** By id. @throws InvalidCursor */
  list(filter: UserFilter, page: PageRequest): Promise<Dated<Page<UserPresence>>>;
  statistics(): Promise<Dated<Statistics>>;
}
