import type { TokenSettings } from '@presence/adapters/environment';
import type { LoginLimits } from '@presence/adapters/postgres';
import type { Duration } from '@presence/domain';

/** Who may read and write what: see `access.ts`. */
export type AdminAccess = 'admin' | 'read' | 'authenticated';

/** What serving needs to know; lengths of time in milliseconds. */
export interface ServingSettings {
  readonly host: string;
  /** 0 lets the system choose a free one. */
  readonly port: number;
  /** Origins that browsers may call from; `*` stands for any. */
  readonly corsOrigins: readonly string[];
  readonly adminAccess: AdminAccess;
  /** A decimal subject of this issuer is the id itself. */
  readonly ownIssuer: string;
  readonly heartbeatInterval: Duration;
  /** How far ahead an event's time may be. */
  readonly maxClockSkew: Duration;
  readonly accessTokenTtl: Duration;
  readonly refreshTokenTtl: Duration;
  /** How many proxies in front of this process append to X-Forwarded-For. */
  readonly trustedProxies: number;
  /** How long an idle connection is kept. */
  readonly keepAliveTimeout: Duration;
  /** How long a client may take to send a whole request. */
  readonly requestTimeout: Duration;
}

/** {@link ServingSettings}, and what the adapters behind the ports need to know. */
export interface ApiSettings extends ServingSettings {
  readonly tokens: TokenSettings;
  readonly offlineAfter: Duration;
  readonly heartbeatHorizon: Duration;
  readonly refreshReuseGrace: Duration;
  readonly loginLimits: LoginLimits;
}
