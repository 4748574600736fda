import type { Status } from './status.js';
import type { Millis } from './time.js';

/** A positive integer up to 2^53 − 1. */
export type UserId = number;

export function isUserId(value: unknown): value is UserId {
  return typeof value === 'number' && Number.isSafeInteger(value) && value > 0;
}

/** Who a token or a message speaks of: `sub` is unique within its `iss` (RFC 7519, 4.1.2). */
export interface Identity {
  readonly issuer: string;
  /** Any text of 1 to 255 characters. */
  readonly subject: string;
}

/** A user by our own number, or by the identity that another issuer knows. */
export type UserRef = UserId | Identity;

/** What an identity's issuer tells of its user. */
export interface Profile {
  readonly username: string;
  readonly email: string | null;
  readonly role: string;
}

export interface User extends Profile {
  readonly id: UserId;
}

/** A user as reads show it: `status` is the visible one. */
export interface UserPresence extends User {
  readonly status: Status;
  /** `null`: never seen. */
  readonly lastSeen: Millis | null;
}
