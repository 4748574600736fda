import type { Duration } from '@presence/domain';

/** Who may read and write what: see `access.ts`. */
export type AdminAccess = 'admin' | 'read' | 'authenticated';

/** What the API needs to know; lengths of time in milliseconds. */
export interface ApiSettings {
  readonly host: string;
  /** 0 lets the system choose a free one, here and for `opsPort`. */
  readonly port: number;
  /** Where /metrics is; `null`: nowhere. */
  readonly opsPort: number | null;
  /** Origins that browsers may call from; `*` stands for any. */
  readonly corsOrigins: readonly string[];
  readonly adminAccess: AdminAccess;
  /** The role, as tokens name it, that makes an admin. */
  readonly adminRole: string;
  /** A decimal subject of this issuer is the id itself. */
  readonly ownIssuer: string;
  readonly heartbeatInterval: Duration;
  readonly accessTokenTtl: Duration;
  readonly refreshTokenTtl: Duration;
  /** How many proxies in front of this process append to X-Forwarded-For. */
  readonly trustedProxies: number;
  /** How long an idle connection is kept. */
  readonly keepAliveTimeout: Duration;
  /** How long a client may take to send a whole request. */
  readonly requestTimeout: Duration;
}
