import {
  PostgresAsOfStore,
  PostgresChangeOutbox,
  PostgresLeaseStore,
  PostgresPresenceReader,
  PostgresPresenceStore,
} from '@presence/adapters/postgres';
import { itKeepsAsOf } from './as-of-contract.js';
import { itIsAChangeOutbox } from './change-outbox-contract.js';
import { onEachDatabase } from './each-database.js';
import { itIsAPresenceStore, POLICY } from './presence-store-contract.js';

onEachDatabase('The stores of presence', ({ pool: poolOf, concurrent }) => {
  const open = async () => {
    const pool = poolOf();
    return {
      pool,
      store: new PostgresPresenceStore(pool, POLICY),
      reader: new PostgresPresenceReader(pool, POLICY),
      asOf: new PostgresAsOfStore(pool),
      leases: new PostgresLeaseStore(pool),
      outbox: new PostgresChangeOutbox(pool),
      concurrent,
    };
  };

  describe('the presence store', () => itIsAPresenceStore(open, concurrent ? 200 : 50));
  describe('as-of', () => itKeepsAsOf(open));
  describe('the change outbox', () => itIsAChangeOutbox(open));
});
