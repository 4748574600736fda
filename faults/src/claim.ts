import {
  type EventFacts,
  type EventType,
  isExplicit,
  type Millis,
  NO_SESSION,
  type SessionId,
  type Status,
  type UserId,
} from '@presence/domain';

/**
 * What is known of an event's acceptance. `certain`: an answer or the broker has promised it.
 * `uncertain`: nobody said; it may be applied, or not. `refused`: it must not be applied.
 */
export type Fate = 'certain' | 'uncertain' | 'refused';

/** One event that a client caused, as far as the client can know it. */
export interface Claim {
  readonly userId: UserId;
  readonly type: EventType;
  readonly status: Status;
  /** `null` where only the service knows it: a login without an answer. */
  readonly sessionId: SessionId | null;
  /** Between these it was stamped; they are equal where the answer told. */
  readonly earliest: Millis;
  readonly latest: Millis;
  /** Who took it: the address of an API, or `broker`. */
  readonly source: string;
  /** HTTP status; 0 without an answer, and for what the broker took. */
  readonly code: number;
  fate: Fate;
}

/** The least event that the claim may stand for. */
export function leastEvent({ type, status, sessionId, earliest }: Claim): EventFacts {
  return { type, status, sessionId: sessionId ?? NO_SESSION, occurredAt: earliest };
}

/** Whether an event that says this may be the one that is claimed. */
export function mayBe(claim: Claim, event: Omit<EventFacts, 'type'> & { explicit: boolean }) {
  return (
    claim.earliest <= event.occurredAt &&
    event.occurredAt <= claim.latest &&
    isExplicit(claim.type) === event.explicit &&
    claim.status === event.status &&
    (claim.sessionId === null || claim.sessionId === event.sessionId)
  );
}
