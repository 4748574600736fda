import type { SessionId } from '../session-id.js';
import type { Duration, Millis } from '../time.js';
import type { Identity, Profile, User } from '../user.js';

/** What a verified access token says. */
export interface AccessToken {
  readonly identity: Identity;
  /** `null` where the token carries no username. */
  readonly profile: Profile | null;
  /** The token's role; `'user'` where it carries none. */
  readonly role: string;
  readonly sessionId: SessionId;
  readonly expiresAt: Millis;
}

export interface TokenVerifier {
  /**
   * Whatever the text holds: what is not wholly a token is refused.
   * @throws Unauthenticated; Unavailable('keys') where no key could ever be fetched
   */
  verify(token: string): Promise<AccessToken> | AccessToken;
}

export interface TokenIssuer {
  /** An access token of the first configured issuer. */
  issue(user: User, sessionId: SessionId): string;
  readonly accessTokenTtl: Duration;
}

export interface PasswordHasher {
  hash(password: string): Promise<string>;
  /** Takes the same time for a `hash` of `null`, which no password matches. */
  verify(hash: string | null, password: string): Promise<boolean>;
}

/** Slows down guessing: counts failures alone, so that nobody can lock another's account. */
export interface LoginLimiter {
  /**
   * Makes an attempt, before anything is spent on it, in its turn: once not too many from that address
   * are under way. Whoever waits for it no longer leaves it to itself, and it ends all the same.
   * @throws TooManyLogins where too many wait for their turn already; what `login` throws
   */
  inTurn<T>(address: string, login: () => Promise<T>): Promise<T>;
  /** @returns how long to wait before another attempt, 0 when it may be made now. */
  blockedFor(username: string, address: string): Promise<Duration>;
  failed(username: string, address: string): Promise<void>;
  succeeded(username: string, address: string): Promise<void>;
}
