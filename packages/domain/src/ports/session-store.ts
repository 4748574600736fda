import type { SessionId } from '../session-id.js';
import type { Millis } from '../time.js';
import type { UserId } from '../user.js';
import type { CommittedStatus } from './event-publisher.js';
import type { EndedSession } from './presence-store.js';

/** A login's effect on presence, committed with its session. */
export interface CommittedTransition {
  readonly presence: CommittedStatus;
  /** Whether reads do not show it yet: its row was locked, and a worker will apply it. */
  readonly pending: boolean;
}

export interface NewSession {
  readonly userId: UserId;
  readonly sessionId: SessionId;
  /** What the password was checked against: once it has been changed, nobody comes in by it. */
  readonly passwordHash: string;
  /** SHA-256 of the refresh token. */
  readonly refreshHash: Uint8Array;
  readonly expiresAt: Millis;
  /** When the user logged in. */
  readonly at: Millis;
}

export interface Rotation {
  /** SHA-256 of the refresh token that was shown. */
  readonly presented: Uint8Array;
  /** SHA-256 of the one that replaces it. */
  readonly replacement: Uint8Array;
  readonly expiresAt: Millis;
  readonly at: Millis;
}

export type RotationResult =
  | { readonly outcome: 'rotated'; readonly userId: UserId; readonly sessionId: SessionId }
  /** Never issued, expired, or of a session that has ended. */
  | { readonly outcome: 'invalid' }
  /** It was spent before: its whole session has been ended for it. */
  | { readonly outcome: 'reused'; readonly userId: UserId; readonly sessionId: SessionId };

export interface SessionEnd extends EndedSession {
  readonly at: Millis;
  /** Until when access tokens of the session may be shown. */
  readonly tokensUntil: Millis;
}

/** A session that has ended, as processes remember it. */
export interface EndedSessionNotice extends EndedSession {
  /** Whether its access tokens are refused; else it ended for presence alone, by a message. */
  readonly tokensRefused: boolean;
  /** When the last of its access tokens expires: it is remembered until as-of has passed that. */
  readonly until: Millis;
}

/** What ended, and how far events are processed, at one moment. */
export interface EndedSessions {
  readonly ended: readonly EndedSessionNotice[];
  /** Where to go on from. */
  readonly cursor: string;
  readonly asOf: Millis;
  /** The database's clock. */
  readonly now: Millis;
}

/** Logins. Each call is one transaction, its effect on presence included. @throws Unavailable */
export interface SessionStore {
  open(session: NewSession): Promise<CommittedTransition>;
  rotate(rotation: Rotation): Promise<RotationResult>;
  end(session: SessionEnd): Promise<CommittedTransition>;
  /** Whose session the refresh token belongs to, spent or not; `null` where it was never issued. */
  ownerOf(refreshHash: Uint8Array): Promise<EndedSession | null>;
  /** Ends up to `limit` sessions whose refresh token has expired. @returns how many. */
  endExpired(limit: number, now: Millis): Promise<number>;
  /**
   * Ended sessions, the last of whose access tokens expires after as-of. Everything committed since
   * `cursor` (`null`: from the beginning) is in it; what was in an earlier answer may be in it again.
   */
  endedSince(cursor: string | null): Promise<EndedSessions>;
}
