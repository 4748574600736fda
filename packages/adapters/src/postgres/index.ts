export type { Pool } from 'pg';
export { PostgresAsOfStore } from './as-of-store.js';
export { PostgresChangeOutbox } from './change-outbox.js';
export { encodeCursor } from './cursor.js';
export { PostgresIdentityStore } from './identity-store.js';
export { PostgresLeaseStore } from './lease-store.js';
export { LOGIN_LIMITS, type LoginLimits, PostgresLoginLimiter } from './login-limiter.js';
export { migrate } from './migrations.js';
export {
  createPool,
  type DatabaseAddress,
  POOL_TIMEOUTS,
  type PoolSettings,
  type PoolTimeouts,
} from './pool.js';
export { PostgresPresenceReader } from './presence-reader.js';
export { PostgresPresenceStore } from './presence-store.js';
export { PostgresSessionStore, type SessionPolicy } from './session-store.js';
export { PostgresUserStore } from './user-store.js';
