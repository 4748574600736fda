import { Argon2Hasher } from '@presence/adapters/argon2';
import { JwtIssuer, JwtVerifier } from '@presence/adapters/jwt';
import {
  type Pool,
  PostgresLeaseStore,
  PostgresLoginLimiter,
  PostgresPresenceReader,
  PostgresSessionStore,
  PostgresUserStore,
} from '@presence/adapters/postgres';
import type { PublisherOptions } from '@presence/adapters/rabbitmq';
import type {
  EventPublisher,
  LeaseStore,
  LoginLimiter,
  PasswordHasher,
  PresenceReader,
  SessionStore,
  TokenIssuer,
  UserStore,
} from '@presence/domain';
import { Container, type ServiceIdentifier } from 'inversify';
import type { Logger } from 'pino';
import type { Registry } from 'prom-client';
import type { ApiDependencies } from './dependencies.js';
import { publisherMetrics } from './publisher-metrics.js';
import type { ApiSettings } from './settings.js';

/** The queue, whichever it is. */
export interface ApiBroker {
  publisher(options: PublisherOptions): EventPublisher;
}

/** What the process brings, and ends, itself. */
export interface ApiSurroundings {
  readonly pool: Pool;
  readonly broker: ApiBroker;
  readonly registry: Registry;
  readonly logger: Logger;
}

const PUBLISHER: ServiceIdentifier<EventPublisher> = Symbol('event publisher');
const LEASES: ServiceIdentifier<LeaseStore> = Symbol('lease store');
const READER: ServiceIdentifier<PresenceReader> = Symbol('presence reader');
const USERS: ServiceIdentifier<UserStore> = Symbol('user store');
const SESSIONS: ServiceIdentifier<SessionStore> = Symbol('session store');
const VERIFIER: ServiceIdentifier<JwtVerifier> = Symbol('token verifier');
const ISSUER: ServiceIdentifier<TokenIssuer | null> = Symbol('token issuer');
const HASHER: ServiceIdentifier<PasswordHasher> = Symbol('password hasher');
const LIMITER: ServiceIdentifier<LoginLimiter> = Symbol('login limiter');

/**
 * Wires the API's ports. The only place that knows which class stands behind which. The publisher
 * begins to work with this; whoever calls closes it, before the broker and the pool.
 */
export function wireApi(surroundings: ApiSurroundings, settings: ApiSettings): ApiDependencies {
  const { pool, broker, registry, logger } = surroundings;
  const container = new Container();
  const provide = <T>(id: ServiceIdentifier<T>, factory: () => T) =>
    container.bind(id).toDynamicValue(factory).inSingletonScope();
  const use = <T>(id: ServiceIdentifier<T>): T => container.get<T>(id);
  const policy = { ...settings, rememberSessions: settings.refreshTokenTtl };

  provide(LEASES, () => new PostgresLeaseStore(pool));
  provide(PUBLISHER, () =>
    broker.publisher({
      leases: use(LEASES),
      horizon: settings.heartbeatHorizon,
      metrics: publisherMetrics(registry),
    }),
  );
  provide(READER, () => new PostgresPresenceReader(pool, policy));
  provide(USERS, () => new PostgresUserStore(pool, settings.ownIssuer));
  provide(SESSIONS, () => new PostgresSessionStore(pool, policy));
  provide(VERIFIER, () => new JwtVerifier(settings.tokens));
  provide(ISSUER, () => tokenIssuer(settings));
  provide(HASHER, () => new Argon2Hasher());
  provide(LIMITER, () => new PostgresLoginLimiter(pool, settings.loginLimits));

  return {
    publisher: use(PUBLISHER),
    reader: use(READER),
    users: use(USERS),
    sessions: use(SESSIONS),
    verifier: use(VERIFIER),
    tokenCache: () => use(VERIFIER).cacheCounts,
    issuer: use(ISSUER),
    hasher: use(HASHER),
    limiter: use(LIMITER),
    logger,
    registry,
  };
}

function tokenIssuer({ tokens, ownIssuer, accessTokenTtl }: ApiSettings): TokenIssuer | null {
  const { signing, audiences, claims, adminRole } = tokens;
  if (signing === null) return null;
  const audience = audiences[0] ?? '';
  const settings = { signing, issuer: ownIssuer, audience, claims, adminRole, accessTokenTtl };
  return new JwtIssuer(settings);
}
