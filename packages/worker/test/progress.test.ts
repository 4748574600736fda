import { createPool } from '@presence/adapters/postgres';
import { WORKER_LEASE } from '@presence/domain';
import { eventually, TcpProxy } from '@presence/test-services';
import { startWorker, type WorkerBroker } from '@presence/worker';
import { expect } from 'chai';
import { pino } from 'pino';
import { Registry } from 'prom-client';
import { describeWorker, SETTINGS } from './running-worker.js';

describeWorker('A worker, as it tells how far it is,', (under) => {
  const { start, publish, workers, showsOnline } = under;

  it('settles no interval before those whom it makes known are written', async () => {
    await under.pool.query(`
      CREATE TABLE settled (interval int8range, by xid);
      CREATE FUNCTION note() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
        INSERT INTO settled VALUES (NEW.us_settled, pg_current_xact_id()::xid); RETURN NULL; END $$;
      CREATE TRIGGER note AFTER INSERT ON publisher_marks FOR EACH ROW WHEN (NEW.kind = 'app')
        EXECUTE FUNCTION note()`);
    const publisher = under.broker.publisher();
    try {
      await start({ unknownUsers: 'create' });
      // Not where a publisher ticks: the one interval that holds this moment is to hold the event.
      await eventually(() => Date.now() % 1_000 > 100 && Date.now() % 1_000 < 800);
      const occurredAt = Date.now();
      const seven = { user: 77, username: 'seven', sessionId: '' };
      publisher.record({ type: 'heartbeat', occurredAt, status: 'online', ...seven });
      await showsOnline(77);
      const { rows } = await under.pool.query(
        `SELECT by = p.xmin AS together FROM settled, user_presence p
          WHERE user_id = 77 AND interval @> $1::bigint`,
        [occurredAt * 1_000],
      );
      expect(rows).to.deep.equal([{ together: true }]);
    } finally {
      await publisher.close(1_000);
      await under.pool.query(
        'DROP TRIGGER note ON publisher_marks; DROP FUNCTION note; DROP TABLE settled',
      );
    }
  });

  it('moves as-of on, within 2 s of the clock, without any traffic', async () => {
    await start();
    await eventually(async () => {
      const { rows } = await under.pool.query<{ lag: number }>(
        'SELECT extract(epoch FROM clock_timestamp() - as_of)::float AS lag FROM presence_clock',
      );
      return rows[0]!.lag < 2;
    });
  });

  it('leaves what it holds to another worker, within its lease, where its database falls silent', async () => {
    const way = await TcpProxy.to(under.database.url);
    const own = createPool({ url: way.url, size: 10, applicationName: 'in a black hole' });
    const logger = pino({ level: 'silent' });
    const surroundings = { broker: under.broker, registry: new Registry(), logger };
    const silenced = await startWorker({ ...surroundings, pool: own }, SETTINGS);
    try {
      await eventually(async () => (await workers()).length === 1);
      // Connections that it opens from now on are silent as well: by one of them it would be well again.
      way.hold();
      publish('heartbeat', { type: 'heartbeat', user_id: 1 });
      await eventually(() => under.broker.waiting === 0);
      const begun = performance.now();
      await start();
      await showsOnline(1);
      expect(performance.now() - begun).to.be.below(WORKER_LEASE);
      expect(silenced.reached.database).to.equal(false);
    } finally {
      await way.close();
      await silenced.stop();
      await own.end();
    }
  });

  it('is not waited for while the broker is away from it alone, and takes part again afterwards', async () => {
    const half: WorkerBroker & { connected: boolean } = {
      connected: true,
      blocked: false,
      source: (options: { maxClockSkew: number }) => {
        const source = under.broker.source(options);
        const connected = { get: () => half.connected };
        return Object.defineProperty(source, 'connected', connected);
      },
      ticker: () => under.broker.ticker(),
      changes: () => under.broker.changes(),
      deadLetters: () => under.broker.deadLetters(),
    };
    const logger = pino({ level: 'silent' });
    const surroundings = { pool: under.pool, broker: half, registry: new Registry(), logger };
    const other = await startWorker(surroundings, SETTINGS);
    try {
      await eventually(async () => (await workers()).length === 1);
      const id = (await workers())[0]!.id;
      await start();
      await eventually(async () => (await workers()).length === 2);
      half.connected = false;
      const goesOn = async () => {
        const all = await workers();
        return all.length === 1 && all[0]!.id !== id && all[0]!.lag < 2;
      };
      await eventually(goesOn, { within: WORKER_LEASE + 4_000 });
      publish('heartbeat', { type: 'heartbeat', user_id: 1 });
      await showsOnline(1);
      half.connected = true;
      await eventually(async () => (await workers()).length === 2);
      await under.worker.stop();
      publish('heartbeat', { type: 'heartbeat', user_id: 2 });
      await showsOnline(2);
    } finally {
      await other.stop();
    }
  });

  describe('gives its word of progress', () => {
    let said: number[];

    /** @param onTick what happens when it does */
    async function listen(onTick: () => Promise<void> = async () => {}): Promise<void> {
      said = [];
      const ticker = under.broker.ticker();
      const listening: WorkerBroker = {
        connected: true,
        blocked: false,
        source: (options) => under.broker.source(options),
        changes: () => under.broker.changes(),
        deadLetters: () => under.broker.deadLetters(),
        ticker: () => ({
          tick: async (progress) => {
            await onTick();
            said.push(progress.through / 1_000);
            return ticker.tick(progress);
          },
        }),
      };
      const logger = pino({ level: 'silent' });
      const surroundings = {
        pool: under.pool,
        broker: listening,
        registry: new Registry(),
        logger,
      };
      under.worker = await startWorker(surroundings, SETTINGS);
      await eventually(() => said.length >= 3); // The first two are of its beginning.
    }

    /** Which transaction wrote as-of last, and how far it is, in ms. */
    async function asOf(): Promise<{ by: string; at: number }> {
      const { rows } = await under.pool.query<{ by: string; at: number }>(
        'SELECT xmin AS by, (extract(epoch FROM as_of) * 1000)::float AS at FROM presence_clock',
      );
      return rows[0]!;
    }

    /** How often it writes the clock, twice a look, from one of its words to the next but one. */
    async function looks(): Promise<number> {
      const from = said.length;
      const seen = new Set<string>();
      await eventually(() => said.length > from);
      while (said.length <= from + 2) seen.add((await asOf()).by);
      return seen.size;
    }

    it('right after each second, once', async () => {
      await listen();
      await eventually(() => said.length >= 6);
      const past = said.slice(2).map((at) => at % 1_000);
      expect(Math.min(...past)).to.be.below(250);
      const pauses = said.slice(3).map((at, word) => at - said[word + 2]!);
      expect(Math.max(...pauses)).to.be.above(900);
    });

    it('and moves as-of there before the next one', async () => {
      const reached: boolean[] = [];
      await listen(async () => {
        const last = said.at(-1);
        if (said.length > 2) reached.push((await asOf()).at >= last! - 1);
      });
      await eventually(() => reached.length >= 3);
      expect(reached).to.not.include(false);
    });

    it('and looks again soon where as-of waits for somebody else', async () => {
      await listen();
      const alone = await looks();
      await under.pool.query(
        `INSERT INTO presence_publishers (id, kind, us_since)
         SELECT gen_random_uuid(), 'app', extract(epoch FROM as_of) * 1000000 FROM presence_clock`,
      );
      await eventually(async () => (await asOf()).at < Date.now() - 2_000);
      expect(await looks()).to.be.above(alone + 2);
    });
  });
});
