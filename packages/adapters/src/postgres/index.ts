export { PostgresAsOfStore } from './as-of-store.js';
export { PostgresChangeOutbox } from './change-outbox.js';
export { PostgresLeaseStore } from './lease-store.js';
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
