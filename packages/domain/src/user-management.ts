import { Unavailable, UnknownUser } from './errors.js';
import type { EventFacts, PresenceEvent } from './event.js';
import type { EventPublisher, RefusalReason, Submission } from './ports/event-publisher.js';
import type { Dated, Page, PageRequest, PresenceReader } from './ports/presence-reader.js';
import { NO_SESSION } from './session-id.js';
import type { Status } from './status.js';
import type { Duration, Millis } from './time.js';
import type { UserId, UserPresence } from './user.js';

/** How long a caller waits for a transition to be committed before it is told `pending`. */
export const COMMIT_TIMEOUT: Duration = 2_000;

export interface StatusSet {
  readonly event: PresenceEvent;
  readonly submission: Exclude<Submission, { outcome: 'refused' }>;
}

/**
 * Sets a user's status on an admin's word. The event is stamped once, later than all that the
 * row knows, so that it holds until the user's next event.
 * @throws UnknownUser, Unavailable
 */
export async function setUserOnlineStatus(
  { reader, publisher }: { reader: PresenceReader; publisher: EventPublisher },
  userId: UserId,
  status: Status,
  now: Millis,
): Promise<StatusSet> {
  const { value: user } = await reader.user(userId);
  if (user === null) throw new UnknownUser(userId);
  const occurredAt = Math.max(now, (user.lastSeen ?? 0) + 1);
  const event = { type: 'status_set', userId, occurredAt, status, sessionId: NO_SESSION } as const;
  const submission = await publisher.submit(event, COMMIT_TIMEOUT);
  if (submission.outcome === 'refused') throw refusal(userId, submission.reason);
  return { event, submission };
}

/** Whoever was removed meanwhile is not known any more; all else is the service's own trouble. */
function refusal(userId: UserId, reason: RefusalReason): Error {
  if (reason === 'unknown_user') return new UnknownUser(userId);
  const cause = new Error(`The event was refused: ${reason}`);
  return new Unavailable('database', undefined, { cause });
}

/** @throws UnknownUser, Unavailable */
export async function getUserOnlineStatus(
  reader: PresenceReader,
  userId: UserId,
): Promise<Dated<UserPresence>> {
  const { asOf, value } = await reader.user(userId);
  if (value === null) throw new UnknownUser(userId);
  return { asOf, value };
}

/** @throws InvalidCursor, Unavailable */
export function getOnlineUsers(
  reader: PresenceReader,
  page: PageRequest,
): Promise<Dated<Page<UserPresence>>> {
  return reader.online(page);
}

/** How a user looks to whoever knows of an event that the row may not show yet. */
export function withEvent<P extends { readonly status: Status; readonly lastSeen: Millis | null }>(
  presence: P,
  event: EventFacts,
): P {
  if (presence.lastSeen !== null && presence.lastSeen >= event.occurredAt) return presence;
  return { ...presence, status: event.status, lastSeen: event.occurredAt };
}
