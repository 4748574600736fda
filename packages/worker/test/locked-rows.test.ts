import type { EventPublisher } from '@presence/domain';
import { eventually } from '@presence/test-services';
import { expect } from 'chai';
import { describeWorker, SETTINGS } from './running-worker.js';

describeWorker('A worker, where a row is locked or a sender waits,', (under) => {
  const { start, publish, row, showsOnline } = under;

  /** Somebody else has locked the row of user 2. */
  async function lockedRow(): Promise<{ release(): Promise<void> }> {
    const client = await under.pool.connect();
    await client.query('BEGIN');
    await client.query('SELECT FROM user_presence WHERE user_id = 2 FOR UPDATE');
    return {
      release: async () => {
        await client.query('ROLLBACK');
        client.release();
      },
    };
  }

  it('lets a row that somebody else has locked delay nobody but itself', async () => {
    await start();
    const other = await lockedRow();
    publish(
      'batch',
      [1, 2].map((user_id) => ({ type: 'heartbeat', user_id })),
    );
    await showsOnline(1);
    publish('heartbeat', { type: 'heartbeat', user_id: 2 });
    const begun = performance.now();
    publish('heartbeat', { type: 'heartbeat', user_id: 3 });
    await showsOnline(3);
    expect(performance.now() - begun, 'known to be locked, it is not waited for').to.be.below(900);
    expect((await row(2))?.lastSeen).to.equal(null);
    await other.release();
    await showsOnline(2);
  });

  it('holds no message of a locked row: as many as there are, nobody else waits', async () => {
    await start();
    const other = await lockedRow();
    for (let sent = 0; sent < 600; sent++) publish('heartbeat', { type: 'heartbeat', user_id: 2 });
    publish('heartbeat', { type: 'heartbeat', user_id: 1 });
    await showsOnline(1);
    const { rows } = await under.pool.query<{ asOf: number; oldest: number }>(`
      SELECT as_of AS "asOf", (SELECT min(occurred_at) FROM presence_inbox) AS oldest
      FROM presence_clock`);
    expect(rows[0]!.asOf, 'as-of waits for it').to.be.below(rows[0]!.oldest);
    await other.release();
    await showsOnline(2);
  });

  it('holds no status of a locked row longer than its sender waits, and takes what others say', async () => {
    await start({ prefetch: 5 });
    const other = await under.pool.connect();
    const publisher = under.broker.publisher();
    try {
      await other.query('BEGIN');
      await other.query('SELECT FROM user_presence WHERE user_id = 2 FOR UPDATE');
      const event = { type: 'status_set', userId: 2, status: 'away', sessionId: '' } as const;
      const submit = () => publisher.submit({ ...event, occurredAt: Date.now() }, 4_000);
      const submitted = Promise.allSettled(Array.from({ length: 5 }, submit));
      await eventually(() => under.broker.waiting === 0);
      publish('heartbeat', { type: 'heartbeat', user_id: 1 });
      await showsOnline(1);
      // Nobody hears any more of what became of it.
      for (const { status } of await submitted) expect(status).to.equal('rejected');
      expect((await row(2))?.lastSeen).to.equal(null);
    } finally {
      await other.release();
      await publisher.close(1_000);
    }
    await eventually(async () => (await row(2))?.status === 'away');
  });

  it('hands back a status whose row is locked for too long; it is written when the row is free', async () => {
    await start({ batch: { ...SETTINGS.batch, holdAtMost: 500 } });
    const other = await lockedRow();
    const event = { type: 'status_set', userId: 2, status: 'online', sessionId: '' } as const;
    const publisher = under.broker.publisher();
    const submitted = publisher.submit({ ...event, occurredAt: Date.now() }, 20_000);
    await eventually(() => under.lines.some((line) => line.includes('Held for too long')));
    await other.release();
    expect((await submitted).outcome).to.equal('committed');
    await publisher.close(1_000);
    await showsOnline(2);
  });

  describe('where a sender waits', () => {
    let publisher: EventPublisher;
    const away = (userId: number) => {
      const event = { type: 'status_set', userId, status: 'away', sessionId: '' } as const;
      return { ...event, occurredAt: Date.now() };
    };
    const setAway = async (userId = 2) => {
      const { outcome } = await publisher.submit(away(userId), 20_000);
      expect(outcome).to.equal('committed');
    };
    const deferred = async () => {
      const { rows } = await under.pool.query('SELECT FROM presence_inbox');
      return rows.length > 0;
    };

    beforeEach(() => {
      publisher = under.broker.publisher();
    });

    afterEach(() => publisher.close(1_000));

    it('writes that event alone, before what may still wait', async () => {
      await start({ batch: { ...SETTINGS.batch, maxWait: 60_000 } });
      publish('heartbeat', { type: 'heartbeat', user_id: 1 });
      await setAway();
      expect((await row(2))?.status).to.equal('away');
      expect((await row(1))?.status).to.equal('offline');
      await under.worker.stop();
      expect((await row(1))?.status).to.equal('online');
    });

    it('writes with it what else is held of the same user', async () => {
      await start({ unknownUsers: 'create', batch: { ...SETTINGS.batch, maxWait: 60_000 } });
      const seven = { user_id: 77, username: 'seven', occurred_at: new Date(Date.now() - 1_000) };
      publish('heartbeat', { type: 'heartbeat', ...seven });
      publish('heartbeat', { type: 'heartbeat', user_id: 1 });
      await setAway(77);
      expect((await row(77))?.status).to.equal('away');
      expect((await row(1))?.status).to.equal('offline');
    });

    it('looks at a locked row again, and answers when it is free', async () => {
      await start();
      const other = await lockedRow();
      publish('heartbeat', { type: 'heartbeat', user_id: 2 });
      await eventually(deferred); // It is known to be locked: nobody waits for the lock itself.
      const set = setAway();
      publish('heartbeat', { type: 'heartbeat', user_id: 1 });
      await showsOnline(1); // Batches are gathered in order: it has been looked at.
      await other.release();
      await set;
    });

    it('writes the others meanwhile', async function () {
      this.timeout(10_000); // Each of them would wait a second for the lock.
      await start();
      const other = await lockedRow();
      const set = publisher.submit(away(2), 4_000);
      set.catch(() => {}); // What takes over 2 s is answered by nobody.
      await eventually(() => under.broker.waiting === 0);
      for (let turn = 0; turn < 10; turn++) {
        const at = Date.now() - 1_000 + turn;
        publish('heartbeat', { type: 'heartbeat', user_id: 1, occurred_at: new Date(at) });
        await eventually(async () => (await row(1))?.lastSeen === at, { every: 1 });
      }
      await other.release();
      await eventually(async () => (await row(2))?.status === 'away');
    });

    it('writes the others all the same when they have waited long enough', async () => {
      await start({ batch: { ...SETTINGS.batch, maxWait: 250 } });
      publish('heartbeat', { type: 'heartbeat', user_id: 1 });
      let written = false;
      const keepSetting = async () => {
        while (!written) await setAway();
      };
      // So many that at the end of each flush somebody waits.
      const all = Promise.all(Array.from({ length: 32 }, keepSetting));
      await showsOnline(1);
      written = true;
      await all;
    });
  });
});
