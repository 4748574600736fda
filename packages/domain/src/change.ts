import type { EventType } from './event.js';
import { isSilent, type SilencePolicy } from './presence.js';
import type { Status } from './status.js';
import type { Millis } from './time.js';
import type { UserId } from './user.js';

export type ChangeCause = EventType | 'expired';

/** A step of one user's visible status, as committed rows show it. */
export interface StatusStep {
  readonly from: Status;
  readonly to: Status;
  /** When the status changed: the time of the event, or the end of the silence that was allowed. */
  readonly at: Millis;
  readonly lastSeen: Millis;
  readonly cause: ChangeCause;
}

/** A {@link StatusStep} as it is announced; repeats of one announcement bear the same `id`. */
export interface StatusChange extends StatusStep {
  readonly id: string;
  readonly userId: UserId;
  /** Grows by user. */
  readonly version: number;
}

/** What a row shows: the status that was visible when it was last written or swept. */
export interface Shown {
  readonly status: Status;
  /** `null`: never seen. */
  readonly lastSeen: Millis | null;
}

/**
 * The steps of visible status when `before` is overwritten by `after` because of `cause`, which
 * happened `at`: none, one, or two where it finds a row whose silence had run out without a sweep
 * having written that yet.
 */
export function stepsBetween(
  before: Shown,
  after: Shown,
  { cause, at }: { cause: EventType; at: Millis },
  asOf: Millis,
  policy: SilencePolicy,
): StatusStep[] {
  const expiry = expiryStep(before, asOf, policy);
  const from = expiry?.to ?? before.status;
  const steps = expiry ? [expiry] : [];
  if (from !== after.status && after.lastSeen !== null) {
    steps.push({ from, to: after.status, at, lastSeen: after.lastSeen, cause });
  }
  return steps;
}

/** The step that silence alone has brought about, or `undefined` where it has brought none. */
export function expiryStep(
  { status, lastSeen }: Shown,
  asOf: Millis,
  policy: SilencePolicy,
): StatusStep | undefined {
  if (status === 'offline' || lastSeen === null || !isSilent(lastSeen, asOf, policy)) {
    return undefined;
  }
  const at = lastSeen + policy.offlineAfter;
  return { from: status, to: 'offline', at, lastSeen, cause: 'expired' };
}
