import type { Socket } from 'node:net';
import { createPool, type Pool, PostgresPresenceStore } from '@presence/adapters/postgres';
import { NO_SESSION, type PresenceEvent } from '@presence/domain';
import { type Database, services } from '@presence/test-services';
import { expect } from 'chai';
import { addUsers } from './presence-rows.js';

const POLICY = { offlineAfter: 110_000, rememberSessions: 86_400_000, accessTokenTtl: 900_000 };
const FEW = 100;
const MANY = 1_000;

describe('What PostgreSQL answers to a batch', () => {
  let database: Database;
  let pool: Pool;

  before(async () => {
    database = await (await services()).createDatabase();
    pool = createPool({ url: database.url, size: 1, applicationName: 'batches' });
  });

  after(async () => {
    await pool.end();
    await database.drop();
  });

  it('is as long as the batch where everybody comes online, not as its square', async () => {
    await addUsers(pool, FEW + MANY);
    const few = await bytesOf(1, FEW);
    const many = await bytesOf(FEW + 1, MANY);
    expect(many / MANY).to.be.below(1.5 * (few / FEW));
  });

  /** Of the answers to a batch in which so many come online, `first` and those after. */
  async function bytesOf(first: number, count: number): Promise<number> {
    const store = new PostgresPresenceStore(pool, POLICY);
    const event = { type: 'heartbeat', status: 'online', sessionId: NO_SESSION } as const;
    const events = Array.from(
      { length: count },
      (_, at): PresenceEvent => ({ ...event, userId: first + at, occurredAt: Date.now() }),
    );
    const before = await received();
    await store.apply({ events, ended: [], progress: [] });
    return (await received()) - before;
  }

  async function received(): Promise<number> {
    const client = await pool.connect();
    client.release();
    return (client as unknown as { connection: { stream: Socket } }).connection.stream.bytesRead;
  }
});
