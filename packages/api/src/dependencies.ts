import type {
  AsOfStore,
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

/** The ports that the API is built on. */
export interface ApiDependencies {
  readonly publisher: EventPublisher;
  readonly reader: PresenceReader;
  readonly users: UserStore;
  readonly sessions: SessionStore;
  readonly asOf: Pick<AsOfStore, 'read'>;
  readonly verifier: TokenVerifier;
  /** `null` without a key to sign with: then there is neither login nor refresh. */
  readonly issuer: TokenIssuer | null;
  readonly hasher: PasswordHasher;
  readonly limiter: LoginLimiter;
  readonly logger: Logger;
  /** The clock that stamps events; the system's by default. */
  readonly now?: () => Millis;
  /** Counts that adapters keep, read whenever /metrics is asked for. */
  readonly counts?: AdapterCounts;
}

export interface AdapterCounts {
  readonly publisher?: () => PublisherCounts;
  readonly tokens?: () => TokenCounts;
}

/** Since the start of the process. */
export interface PublisherCounts {
  readonly confirmed: number;
  readonly refused: number;
  /** How many are in memory and not confirmed yet. */
  readonly unconfirmed: number;
}

export interface TokenCounts {
  readonly hits: number;
  readonly misses: number;
  readonly size: number;
}
