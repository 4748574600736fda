import type { EventType } from './event.js';
import { isSilent, type Presence, type SilencePolicy, visibleStatus } from './presence.js';
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

/** A row: what is known, and the status that was visible when it was last written or swept. */
export interface Recorded {
  readonly presence: Presence;
  readonly shown: Status;
}

/**
 * The steps of visible status when `before` is overwritten by `after`: none, one, or two where
 * the event finds a row whose silence had run out without a sweep having written that yet.
 */
export function stepsBetween(
  before: Recorded,
  after: Presence,
  cause: EventType,
  asOf: Millis,
  policy: SilencePolicy,
): StatusStep[] {
  const expiry = expiryStep(before, asOf, policy);
  const from = expiry?.to ?? before.shown;
  const to = visibleStatus(after, asOf, policy);
  const steps = expiry ? [expiry] : [];
  if (from !== to && after.lastSeen !== null) {
    steps.push({ from, to, at: after.lastSeen, lastSeen: after.lastSeen, cause });
  }
  return steps;
}

/** The step that silence alone has brought about, or `undefined` where it has brought none. */
export function expiryStep(
  { presence, shown }: Recorded,
  asOf: Millis,
  policy: SilencePolicy,
): StatusStep | undefined {
  const { lastSeen } = presence;
  if (shown === 'offline' || lastSeen === null || !isSilent(lastSeen, asOf, policy)) {
    return undefined;
  }
  const at = lastSeen + policy.offlineAfter;
  return { from: shown, to: 'offline', at, lastSeen, cause: 'expired' };
}
