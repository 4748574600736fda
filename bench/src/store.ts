import { batchSettings, readEnvironment } from '@presence/adapters/environment';
import { createPool, PostgresPresenceStore } from '@presence/adapters/postgres';
import type { PresencePolicy } from '@presence/domain';
import type pg from 'pg';

/** Events of a batch, unless a worker is told otherwise. */
export const BATCH = readEnvironment({}, { batch: batchSettings }).batch.maxUsers;

/** The defaults of the worker. */
const POLICY: PresencePolicy = {
  offlineAfter: 110_000,
  rememberSessions: 30 * 86_400_000,
  accessTokenTtl: 900_000,
};

/** The worker's own store over one connection, fed by this process. */
export function openStore(url: string): { store: PostgresPresenceStore; pool: pg.Pool } {
  const pool = createPool({ url, size: 1, applicationName: 'bench' });
  return { store: new PostgresPresenceStore(pool, POLICY), pool };
}
