import type { Duration } from '@presence/domain';
import type { BatchSettings } from './batch-writer.js';
import type { UnknownUserSettings } from './user-resolver.js';

/** What the worker needs to know; lengths of time in milliseconds. */
export interface WorkerSettings extends UnknownUserSettings {
  readonly heartbeatInterval: Duration;
  readonly offlineAfter: Duration;
  readonly maxClockSkew: Duration;
  readonly accessTokenTtl: Duration;
  readonly refreshTokenTtl: Duration;
  readonly refreshReuseGrace: Duration;
  readonly batch: BatchSettings;
  /** How many messages it may hold; unless told, its source's default. */
  readonly prefetch?: number;
}
