import type {
  EventPublisher,
  LoginLimiter,
  Millis,
  PasswordHasher,
  PresenceReader,
  SessionStore,
  TokenIssuer,
  TokenVerifier,
  UserStore,
} from '@presence/domain';
import type { Logger } from 'pino';
import type { Registry } from 'prom-client';

/** The ports that the API is built on. */
export interface ApiDependencies {
  readonly publisher: EventPublisher;
  readonly reader: PresenceReader;
  readonly users: UserStore;
  readonly sessions: SessionStore;
  readonly verifier: TokenVerifier;
  /** `null` without a key to sign with: then there is neither login nor refresh. */
  readonly issuer: TokenIssuer | null;
  readonly hasher: PasswordHasher;
  readonly limiter: LoginLimiter;
  readonly logger: Logger;
  /** The clock that stamps events; the system's by default. */
  readonly now?: () => Millis;
  /** How the cache of verified tokens has done since the start, where there is one. */
  readonly tokenCache?: () => TokenCounts;
  /** Where the API's metrics go; one of its own by default. */
  readonly registry?: Registry;
}

export interface TokenCounts {
  readonly hits: number;
  readonly misses: number;
  readonly size: number;
}
