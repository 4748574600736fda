import { randomUUID } from 'node:crypto';
import {
  type AsOfStore,
  asOfPolicy,
  type LeaseStore,
  type PresenceStore,
  type Progress,
  Unavailable,
} from '@presence/domain';
import { expect } from 'chai';
import fc from 'fast-check';
import type pg from 'pg';

export interface AsOfUnderTest {
  readonly pool: pg.Pool;
  readonly asOf: AsOfStore;
  readonly leases: LeaseStore;
  readonly store: PresenceStore;
  /** Whether the database serves several connections at once. */
  readonly concurrent: boolean;
}

const POLICY = asOfPolicy(30_000, 15_000);

/** How as-of moves, as every database has to keep it. */
export function itKeepsAsOf(open: () => Promise<AsOfUnderTest>): void {
  let under: AsOfUnderTest;
  let start: number;

  before(async () => {
    under = await open();
  });

  beforeEach(async () => {
    await under.pool.query('TRUNCATE publisher_marks, presence_publishers');
    start = Date.now();
    await under.pool.query(
      'UPDATE presence_clock SET as_of = $1, moved_at = clock_timestamp(), held_since = NULL',
      [new Date(start).toISOString()],
    );
  });

  const settle = (progress: readonly Progress[]) =>
    under.store.apply({ events: [], ended: [], progress });
  const advance = async () => (await under.asOf.advance(POLICY)).asOf;

  /** An interval of a publisher's time, in milliseconds after the start. */
  function interval(publisher: string, from: number, through: number, last = false): Progress {
    const since = start * 1_000;
    const micros = (millis: number) => since + millis * 1_000;
    return { publisher, kind: 'app', since, from: micros(from), through: micros(through), last };
  }

  it('goes up to the first gap in what a publisher has settled, and no further', async () => {
    const publisher = randomUUID();
    await under.leases.register(publisher, 'app', start * 1_000);
    await settle([interval(publisher, 0, 100), interval(publisher, 200, 300)]);
    expect(await advance()).to.equal(start + 99);
    await settle([interval(publisher, 100, 200)]);
    expect(await advance()).to.equal(start + 299);
  });

  it('is the same whatever the order, repetition and split of the intervals', async () => {
    const cuts = fc.uniqueArray(fc.integer({ min: 1, max: 999 }), { maxLength: 8 });
    const plan = cuts.chain((inner) => {
      const edges = [0, ...inner.toSorted((a, b) => a - b), 1_000];
      const parts = edges.slice(1).map((through, at) => [edges[at]!, through] as const);
      return fc.tuple(
        fc.shuffledSubarray(parts, { minLength: parts.length, maxLength: parts.length }),
        fc.shuffledSubarray(parts),
      );
    });
    await fc.assert(
      fc.asyncProperty(plan, async ([shuffled, repeated]) => {
        await under.pool.query('TRUNCATE publisher_marks, presence_publishers');
        await under.pool.query(
          'UPDATE presence_clock SET as_of = $1, moved_at = clock_timestamp()',
          [new Date(start).toISOString()],
        );
        const publisher = randomUUID();
        await under.leases.register(publisher, 'app', start * 1_000);
        for (const [from, through] of [...shuffled, ...repeated]) {
          await settle([interval(publisher, from, through)]);
          expect(await advance()).to.be.at.most(start + 999);
        }
        expect(await advance()).to.equal(start + 999);
      }),
      { numRuns: 50 },
    );
  });

  it('does not pass an event that is deferred, until it is joined or set aside', async () => {
    await under.pool.query('DELETE FROM presence_inbox');
    const publisher = randomUUID();
    await under.leases.register(publisher, 'app', start * 1_000);
    const event = { type: 'heartbeat', userId: 1, status: 'online', sessionId: '' } as const;
    const deferred = [start + 70, start + 40, start - 40].map((at) => ({
      ...event,
      occurredAt: at,
    }));
    await under.store.apply({
      events: [],
      ended: [],
      deferred,
      progress: [interval(publisher, 0, 100)],
    });
    expect(await advance()).to.equal(start + 39);
    await under.pool.query(`UPDATE presence_inbox SET refused = '23514' WHERE occurred_at = $1`, [
      new Date(start + 40).toISOString(),
    ]);
    expect(await advance()).to.equal(start + 69);
    await under.store.applyDeferred();
    expect(await advance()).to.equal(start + 99);
  });

  it('waits for the slowest publisher, and for one that has only just registered', async () => {
    const [fast, slow] = [randomUUID(), randomUUID()];
    await under.leases.register(fast, 'app', start * 1_000);
    await settle([interval(fast, 0, 900)]);
    await under.leases.register(slow, 'app', (start + 100) * 1_000);
    expect(await advance()).to.equal(start + 99);
  });

  it('waits for all that a publisher has said of its life, however late it registered', async () => {
    const publisher = randomUUID();
    await under.leases.register(publisher, 'app', (start + 200) * 1_000);
    await settle([interval(publisher, 100, 300)]);
    expect(await advance()).to.equal(start);
    await settle([interval(publisher, 0, 100)]);
    expect(await advance()).to.equal(start + 299);
  });

  it('does not wait for a publisher that has said its last word, once all of it is settled', async () => {
    const [leaving, staying] = [randomUUID(), randomUUID()];
    await settle([interval(leaving, 0, 100), interval(staying, 0, 900)]);
    await settle([interval(leaving, 200, 300, true)]);
    expect(await advance()).to.equal(start + 99);
    await settle([interval(leaving, 100, 200)]);
    expect(await advance()).to.equal(start + 899);
  });

  it('does not wait for a publisher that has released its lease', async () => {
    const [leaving, staying] = [randomUUID(), randomUUID()];
    await under.leases.register(leaving, 'app', start * 1_000);
    await settle([interval(staying, 0, 900)]);
    await under.leases.release(leaving);
    expect(await under.leases.renew(leaving)).to.equal(false);
    expect(await advance()).to.equal(start + 899);
  });

  it('does not wait for a publisher whose release came before its registration and its intervals', async () => {
    const [leaving, staying] = [randomUUID(), randomUUID()];
    await under.leases.release(leaving);
    await under.leases.register(leaving, 'app', start * 1_000);
    await settle([interval(leaving, 0, 100), interval(staying, 0, 900)]);
    expect(await under.leases.renew(leaving)).to.equal(false);
    expect(await advance()).to.equal(start + 899);
  });

  it('knows a publisher without a lease by whichever of its intervals is settled first', async () => {
    const [inOrder, swapped] = [randomUUID(), randomUUID()];
    await settle([interval(inOrder, 0, 900), interval(swapped, 400, 900)]);
    expect(await advance()).to.equal(start);
    await settle([interval(swapped, 0, 400)]);
    expect(await advance()).to.equal(start + 899);
  });

  it('does not wait again for a publisher of whom a message comes late', async () => {
    const [gone, living] = [randomUUID(), randomUUID()];
    await settle([interval(gone, 0, 100), interval(living, 0, 100)]);
    await advance();
    await under.leases.release(gone);
    await settle([interval(gone, 400, 500), interval(living, 100, 900)]);
    expect(await advance()).to.equal(start + 899);
  });

  it('moves on where a publisher begins anew under its old name', async () => {
    const name = randomUUID();
    const again = { ...interval(name, 200, 300), since: (start + 200) * 1_000 };
    await settle([interval(name, 0, 100), again]);
    expect(await advance()).to.equal(start + 99);
    await settle([{ ...interval(name, 100, 200), kind: 'worker' }, interval(name, 300, 400)]);
    expect(await advance()).to.equal(start + 399);
  });

  it('gives up a publisher whose gap can come from nowhere any more', async () => {
    const [gapped, worker] = [randomUUID(), randomUUID()];
    await under.leases.register(gapped, 'app', start * 1_000);
    await settle([interval(gapped, 0, 100), interval(gapped, 200, 300)]);
    expect(await advance()).to.equal(start + 99);
    const far = { ...interval(worker, 0, 60_000), kind: 'worker' } as const;
    await settle([far]);
    await advance();
    expect(await under.leases.renew(gapped)).to.equal(false);
    expect(await advance(), 'something else may be missing').to.equal(start + 99);
    await under.pool.query(`UPDATE presence_clock SET held_since = held_since - interval '40 s'`);
    expect(await advance(), 'for 47 s').to.equal(start + 99);
    await under.pool.query(`UPDATE presence_clock SET held_since = held_since - interval '10 s'`);
    expect(await advance()).to.equal(start + 59_999);
  });

  it('gives it up while it goes on speaking', async () => {
    const [gapped, worker] = [randomUUID(), randomUUID()];
    await settle([interval(gapped, 0, 100), interval(gapped, 200, 300)]);
    expect(await advance()).to.equal(start + 99);
    await under.pool.query(
      `UPDATE presence_publishers SET gap_since = gap_since - interval '31 s'`,
    );
    await settle([
      { ...interval(worker, 0, 60_000), kind: 'worker' },
      interval(gapped, 300, 59_000),
    ]);
    await advance();
    expect(await under.leases.renew(gapped)).to.equal(false);
  });

  it('lets a new worker take over from as-of, for nothing is known of what is in the queue', async () => {
    const since = await under.leases.register(randomUUID(), 'worker', (start + 500) * 1_000);
    expect(since).to.equal(start * 1_000);
    expect(await advance()).to.equal(start);
  });

  it("does not take a dead worker's last ticks for a sign of its life", async () => {
    const dead = randomUUID();
    await under.leases.register(dead, 'worker', start * 1_000);
    await under.pool.query(
      `UPDATE presence_publishers SET heard_at = clock_timestamp() - interval '9 s'`,
    );
    await settle([{ ...interval(dead, 0, 100), kind: 'worker' }, interval(randomUUID(), 0, 900)]);
    expect(await advance()).to.equal(start + 899);
  });

  it('is not told by a database that only reads, even where it stands still', async () => {
    await under.pool.query(`
      CREATE FUNCTION disk_full() RETURNS trigger LANGUAGE plpgsql AS
        $$ BEGIN RAISE EXCEPTION 'No space left on device' USING ERRCODE = '53100'; END $$;
      CREATE TRIGGER disk_full BEFORE UPDATE ON presence_clock EXECUTE FUNCTION disk_full()`);
    try {
      const outcome = await under.asOf.advance(POLICY).catch((error: unknown) => error);
      expect(outcome).to.be.instanceOf(Unavailable);
    } finally {
      await under.pool.query('DROP FUNCTION disk_full() CASCADE');
    }
  });

  it('is moved by one of any number of callers at a time', async () => {
    const publisher = randomUUID();
    await under.leases.register(publisher, 'app', start * 1_000);
    await settle([interval(publisher, 0, 100)]);
    const reached = await Promise.all([advance(), advance(), advance()]);
    expect(Math.max(...reached)).to.equal(start + 99);
    expect(await advance()).to.equal(start + 99);
  });

  it('is moved by nobody who does not know what another has just gathered', async function () {
    if (!under.concurrent) return;
    this.timeout(60_000);
    const reset = () =>
      under.pool.query('UPDATE presence_clock SET as_of = $1', [new Date(start).toISOString()]);
    for (let round = 0; round < 100; round++) {
      await under.pool.query('TRUNCATE presence_publishers');
      await settle([interval(randomUUID(), 0, 900)]);
      await advance();
      await reset();
      await settle([interval(randomUUID(), 0, 100)]);
      // Begun one after another: some are about to read while some have just gathered.
      await Promise.all(Array.from({ length: 8 }, (_, caller) => nextTurn(caller % 3, advance)));
      expect(await advance()).to.equal(start + 99);
    }
  });

  describe('where something happens between reading and writing,', () => {
    afterEach(() => Reflect.deleteProperty(under.pool, 'query'));

    /** Has something done before as-of is next written, once. */
    function beforeWriting(happen: () => Promise<unknown>): void {
      const query = under.pool.query.bind(under.pool) as (config: unknown) => Promise<unknown>;
      const wrapped = async (config: unknown) => {
        if ((config as pg.QueryConfig).name === 'as-of-write') {
          Reflect.deleteProperty(under.pool, 'query');
          await happen();
        }
        return query(config);
      };
      Object.assign(under.pool, { query: wrapped });
    }

    it('is left to whoever has read later', async () => {
      const [known, unknown] = [randomUUID(), randomUUID()];
      await settle([interval(known, 0, 900)]);
      beforeWriting(async () => {
        await settle([interval(unknown, 0, 100)]);
        expect(await advance()).to.equal(start + 99);
      });
      const { asOf, written } = await under.asOf.advance(POLICY);
      expect({ asOf, written }).to.deep.equal({ asOf: start, written: false });
      expect(await advance()).to.equal(start + 99);
    });

    it('is left where it is where one who is given up speaks after all', async () => {
      const slow = randomUUID();
      await under.leases.register(slow, 'worker', start * 1_000);
      await under.pool.query(
        `UPDATE presence_publishers SET heard_at = clock_timestamp() - interval '9 s'`,
      );
      await settle([interval(randomUUID(), 0, 900)]);
      beforeWriting(async () => expect(await under.leases.renew(slow)).to.equal(true));
      expect((await under.asOf.advance(POLICY)).written).to.equal(false);
      expect(await advance()).to.equal(start);
    });

    it('is left to whoever is at it', async () => {
      if (!under.concurrent) return;
      await settle([interval(randomUUID(), 0, 900)]);
      const other = await under.pool.connect();
      beforeWriting(async () => {
        await other.query('BEGIN');
        await other.query('SELECT FROM presence_clock FOR UPDATE');
      });
      try {
        expect((await under.asOf.advance(POLICY)).written).to.equal(false);
      } finally {
        await other.query('ROLLBACK');
        other.release();
      }
      expect(await advance()).to.equal(start + 899);
    });

    it('is left where it is by one who was stopped for so long that others may have died', async function () {
      this.timeout(20_000);
      await settle([interval(randomUUID(), 0, 900)]);
      beforeWriting(() => under.pool.query('SELECT pg_sleep(5.1)'));
      const { asOf, written } = await under.asOf.advance(POLICY);
      expect({ asOf, written }).to.deep.equal({ asOf: start, written: false });
      expect(await advance()).to.equal(start + 899);
    });
  });
}

/** After so many turns of the event loop. */
async function nextTurn(turns: number, work: () => Promise<unknown>): Promise<void> {
  for (let turn = 0; turn < turns; turn++) await new Promise(setImmediate);
  await work();
}
