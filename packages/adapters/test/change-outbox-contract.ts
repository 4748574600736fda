import type { ChangeOutbox, PresenceStore, StatusChange } from '@presence/domain';
import { expect } from 'chai';
import type pg from 'pg';
import { batchOf, EPOCH } from './event-logs.js';
import { addUsers, setAsOf } from './presence-rows.js';

export interface OutboxUnderTest {
  readonly pool: pg.Pool;
  readonly store: PresenceStore;
  readonly outbox: ChangeOutbox;
  readonly concurrent: boolean;
}

/** What every ChangeOutbox has to keep to. */
export function itIsAChangeOutbox(open: () => Promise<OutboxUnderTest>): void {
  let under: OutboxUnderTest;

  before(async () => {
    under = await open();
  });

  beforeEach(async () => {
    await addUsers(under.pool, 2);
    await setAsOf(under.pool, EPOCH);
    const online = { type: 'login', status: 'online', sessionId: '' } as const;
    const logout = { type: 'logout', status: 'offline', sessionId: '' } as const;
    await under.store.apply(batchOf([{ ...online, userId: 1, occurredAt: EPOCH }]));
    await under.store.apply(batchOf([{ ...online, userId: 2, occurredAt: EPOCH }]));
    await under.store.apply(batchOf([{ ...logout, userId: 1, occurredAt: EPOCH + 1 }]));
  });

  async function relayAll(): Promise<StatusChange[]> {
    const out: StatusChange[] = [];
    while ((await under.outbox.relay(2, async (changes) => void out.push(...changes))) > 0);
    return out;
  }

  it('hands out what is committed, each user in order of version, and forgets it', async () => {
    const changes = await relayAll();
    expect(changes.map(({ userId, from, to, cause }) => [userId, from, to, cause])).to.deep.equal([
      [1, 'offline', 'online', 'login'],
      [2, 'offline', 'online', 'login'],
      [1, 'online', 'offline', 'logout'],
    ]);
    const versions = changes.map(({ version }) => version);
    expect(versions).to.deep.equal(versions.toSorted((a, b) => a - b));
    expect(changes[2]).to.include({ at: EPOCH + 1, lastSeen: EPOCH + 1 });
    expect(await relayAll()).to.deep.equal([]);
  });

  it('hands out the same again, under the same id, where publishing has failed', async () => {
    const seen: string[] = [];
    const failure = new Error('The broker is away.');
    const failed = await under.outbox
      .relay(10, async (changes) => {
        seen.push(...changes.map(({ id }) => id));
        throw failure;
      })
      .catch((error: unknown) => error);
    expect(failed).to.equal(failure);
    expect((await relayAll()).map(({ id }) => id)).to.deep.equal(seen);
  });

  it('drops the oldest where more wait than are to be kept, and nothing else', async () => {
    expect(await under.outbox.trim(3)).to.equal(0);
    expect(await under.outbox.trim(2)).to.equal(1);
    expect((await relayAll()).map(({ cause }) => cause)).to.deep.equal(['login', 'logout']);
    expect(await under.outbox.trim(0)).to.equal(0);
  });

  it('leaves to a relay what it has taken', async () => {
    if (!under.concurrent) return;
    let dropped = -1;
    const out = await under.outbox.relay(10, async () => {
      dropped = await under.outbox.trim(0);
    });
    expect([dropped, out]).to.deep.equal([0, 3]);
  });

  it('gives to one caller at a time', async () => {
    if (!under.concurrent) return;
    let other = -1;
    await under.outbox.relay(10, async () => {
      other = await under.outbox.relay(10, async () => {});
    });
    expect(other).to.equal(0);
  });
}
