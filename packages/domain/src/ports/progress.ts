import type { AsOf, AsOfPolicy } from '../as-of.js';
import type { Millis } from '../time.js';

/**
 * What a publisher has recorded, in microseconds since 1970 by its own clock. Its messages cut
 * the time from `since`, when it began, into intervals `[from, through)` without a gap; a message
 * holds all that was recorded before `through` and is in no earlier one. So when the intervals
 * that are settled reach without a gap from `since` to T, everything recorded before T is settled.
 */
export interface Progress {
  /** A UUID, new for every life of a publisher. */
  readonly publisher: string;
  readonly kind: 'app' | 'worker';
  readonly since: number;
  readonly from: number;
  readonly through: number;
  /** Whether this is the publisher's last word: nothing comes after `through`. */
  readonly last: boolean;
}

/** Puts word of progress on the queue, behind all that is in it. */
export interface Ticker {
  /** Resolves once the queue has confirmed it. @throws Unavailable */
  tick(progress: Progress): Promise<void>;
}

/** Leases of publishers, in the database. */
export interface LeaseStore {
  /**
   * Makes a publisher known, so that as-of waits for it from `since` on.
   * @returns microseconds: `since`, or for a worker the as-of that it takes over from.
   */
  register(publisher: string, kind: Progress['kind'], since: number): Promise<number>;

  /** Renews a lease. @returns false where it is not known (any more): register anew. */
  renew(publisher: string): Promise<boolean>;

  /** Nothing is left on its way: as-of need not wait for this publisher. */
  release(publisher: string): Promise<void>;
}

/** As-of, in the database. */
export interface AsOfStore {
  /**
   * Takes account of settled intervals and moves as-of on as far as they and the policy allow.
   * @returns what it is then; `now`: the database's clock when it was asked; and whether this
   *   caller has written it. Where another was at it, as-of is what it was before that one's turn.
   */
  advance(policy: AsOfPolicy): Promise<AsOf & { now: Millis; written: boolean }>;
}
