import { compareSessionIds, NO_SESSION, type SessionId } from './session-id.js';
import { compareStatus, type Status } from './status.js';
import type { Millis } from './time.js';
import type { UserId, UserRef } from './user.js';

export const EVENT_TYPES = ['activity', 'heartbeat', 'login', 'logout', 'status_set'] as const;

export type EventType = (typeof EVENT_TYPES)[number];

/** What an event says, whoever it speaks of. */
export interface EventFacts {
  readonly type: EventType;
  readonly occurredAt: Millis;
  /** The status that the event declares; {@link declaredStatus} says which one that may be. */
  readonly status: Status;
  /** {@link NO_SESSION} where the event belongs to none. */
  readonly sessionId: SessionId;
}

/** One fact about one user. */
export interface PresenceEvent extends EventFacts {
  readonly userId: UserId;
}

/** An event whose user may still have to be looked up. */
export interface ReportedEvent extends EventFacts {
  readonly user: UserRef;
  /** With it an unknown user may be created, where the configuration allows that. */
  readonly username?: string;
}

/**
 * The status that an event of this type declares, or `undefined` where it may not carry `given`:
 * a status_set must say one, a heartbeat may say online or away, the others always mean the same.
 */
export function declaredStatus(type: EventType, given?: Status): Status | undefined {
  switch (type) {
    case 'activity':
    case 'login':
      return 'online';
    case 'logout':
      return 'offline';
    case 'heartbeat':
      return given === 'offline' ? undefined : (given ?? 'online');
    case 'status_set':
      return given;
  }
}

/** A person's own word, or an admin's, outweighs what is merely inferred at the same moment. */
export function isExplicit(type: EventType): boolean {
  return type === 'logout' || type === 'status_set';
}

/** An event that someone awaits the effect of; the others repeat and are folded on the way. */
export function isTransition(type: EventType): boolean {
  return type !== 'activity' && type !== 'heartbeat';
}

/** Whether the event ends the presence of the session that it names. */
export function endsSession(event: EventFacts): boolean {
  return event.type === 'logout' && event.sessionId !== NO_SESSION;
}

/**
 * The order that decides a user's status: the greatest event in
 * `(occurredAt, explicit, declared status, session id)` wins. It is total up to events that
 * are equal in all four, and those say the same; so every fold of the same events agrees.
 */
export function compareEvents(a: EventFacts, b: EventFacts): number {
  return (
    a.occurredAt - b.occurredAt ||
    Number(isExplicit(a.type)) - Number(isExplicit(b.type)) ||
    compareStatus(a.status, b.status) ||
    compareSessionIds(a.sessionId, b.sessionId)
  );
}

/** The one of two events of a user that decides its status. */
export function greaterEvent<E extends EventFacts>(a: E, b: E): E {
  return compareEvents(a, b) >= 0 ? a : b;
}
