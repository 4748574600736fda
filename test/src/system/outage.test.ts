import { setTimeout as wait } from 'node:timers/promises';
import { APP_LEASE } from '@presence/domain';
import { expect } from 'chai';
import pg from 'pg';
import { eventually } from '../eventually.js';
import type { Client } from './client.js';
import type { KoaApp } from './koa-app.js';
import type { Ledger } from './ledger.js';
import { INTERVAL, OFFLINE_AFTER, OutageSystem } from './outage-system.js';

/** `npm run test:outages` sets it, to 12 unless it is set: then every outage is tried, else one. */
const ALL = process.env.OUTAGE_SECONDS !== undefined;
const OUTAGE = Number(process.env.OUTAGE_SECONDS ?? 12) * 1_000;
/** What only waiting shows: a publisher's lease is a minute. */
const PATIENT = OUTAGE >= 60_000;

/** The fewer speak, the longer a worker that is stuck takes part in what they say. */
const TALKERS = Number(process.env.OUTAGE_TALKERS ?? 60);
const LEAVERS = 10;
/** Each of two applications of another team has users who are known through it alone. */
const APP_TALKERS = 10;
const APP_LEAVERS = 3;
/** After a stall clients get one interval and 5 s to speak; a busy machine needs more for all else. */
const HOLD = INTERVAL + 5_000;
const EXPIRES_WITHIN = HOLD + 15_000;
/**
 * Where publishers go on and nobody writes, the queue grows by what the outage lasts, and nobody
 * expires before that is worked off: at ten times the pace at which it came, at the least. (Where
 * publishers cannot send they fold by user, and leave no more behind than there are users.)
 */
const WORKED_OFF_WITHIN = EXPIRES_WITHIN + OUTAGE / 10;
/**
 * How long an app that is cut from the broker is certainly waited for where it has no database:
 * for a lease from its last message on, which was up to a second before the cut.
 */
const WAITED_FOR = APP_LEASE - 2_000;

/** Of the first it is said that it will pass; of the second, that doing it again at once will do. */
const DISK_FULL = '53100';
const SERIALIZATION_FAILURE = '40001';

describe(`An outage of ${OUTAGE / 1_000} s, where ${OFFLINE_AFTER / 1_000} s of silence are offline, shows nobody absent who keeps speaking`, function () {
  this.timeout(OUTAGE * 2 + 180_000);
  let system: OutageSystem;
  let ledger: Ledger;
  let talkers: Client[];
  /** An app of another team that keeps its lease in the database, too, and one that does not. */
  let leased: KoaApp;
  let alone: KoaApp;
  let talkersOfAlone: Client[];

  before(async () => {
    system = await OutageSystem.start();
    const [admin] = await system.addPeople(1, 'admin');
    ledger = system.ledger(admin!.token);
    leased = await system.startApp({ database: true });
    alone = await system.startApp({ database: false });
    talkersOfAlone = await system.arrive(APP_TALKERS, alone);
    const others = [await system.arrive(TALKERS), await system.arrive(APP_TALKERS, leased)];
    talkers = [...others.flat(), ...talkersOfAlone];
    await ledger.start();
  });

  afterEach(async function () {
    if (this.currentTest?.state !== 'failed') return;
    process.stderr.write(await system.describe());
  });

  after(async () => {
    await ledger?.stop();
    await system?.stop();
  });

  interface Outage {
    begin(): Promise<void> | void;
    /** At its end, while it still lasts. */
    meanwhile?(): Promise<void>;
    end(): Promise<void> | void;
    /** How long it may take, from its end, until who left in it is expired. */
    within?: number;
  }

  /** Some leave in the middle of it; the others keep speaking throughout. */
  async function sitOut({ begin, meanwhile, end, within = EXPIRES_WITHIN }: Outage): Promise<void> {
    const leavers = await settle();
    await begin();
    const begun = performance.now();
    await wait(OUTAGE / 2);
    ledger.dismiss(leavers);
    await Promise.all(leavers.map((client) => client.leave()));
    await wait(Math.max(0, OUTAGE - (performance.now() - begun)));
    await meanwhile?.();
    const lasted = performance.now() - begun;
    await end();
    const ended = performance.now();
    await eventually(() => assertExpired(leavers), { within, every: 100 });
    system.assertRunning();
    report({ lasted, expiredAfter: performance.now() - ended });
    await wait(2 * INTERVAL);
    assertNoAbsence();
  }

  /** Everybody is present, those who are going to leave among them. */
  async function settle(): Promise<Client[]> {
    const arrived = [
      system.arrive(LEAVERS),
      system.arrive(APP_LEAVERS, leased),
      system.arrive(APP_LEAVERS, alone),
    ];
    const leavers = (await Promise.all(arrived)).flat();
    await eventually(async () => expect(await system.lag()).to.be.below(2_500), { within: 30_000 });
    for (const client of talkers) {
      client.forgetPauses();
      Object.assign(client.answers, { accepted: 0, refused: 0, unanswered: 0 });
    }
    Object.assign(ledger.looks, { answered: 0, unanswered: 0, changes: 0 });
    ledger.expired.clear();
    ledger.expect([...talkers, ...leavers]);
    return leavers;
  }

  async function assertExpired(leavers: readonly Client[]): Promise<void> {
    system.assertRunning();
    const missing = leavers.filter(({ userId }) => !ledger.expired.has(userId));
    expect(missing, 'left, and not announced').to.have.lengthOf(0);
    for (const { status } of await system.rows(leavers)) expect(status).to.equal('offline');
  }

  function assertNoAbsence(): void {
    expect(ledger.absences).to.deep.equal([]);
    expect(talkers.flatMap(({ faults }) => faults)).to.deep.equal([]);
    const spoke = talkers.filter(({ answers }) => answers.accepted > 0);
    expect(spoke).to.have.lengthOf(talkers.length);
  }

  function report(times: Record<string, number>): void {
    if (process.env.OUTAGE_SECONDS === undefined) return;
    const answers = { accepted: 0, refused: 0, unanswered: 0 };
    for (const client of talkers) {
      for (const key of ['accepted', 'refused', 'unanswered'] as const) {
        answers[key] += client.answers[key];
      }
    }
    const figures = { ...times, ...answers, looks: ledger.looks, pardoned: ledger.pardoned };
    process.stderr.write(
      `      ${JSON.stringify({ ...figures, absences: ledger.absences.length })}\n`,
    );
  }

  it('the broker is killed', () =>
    sitOut({
      begin: () => system.broker.kill(),
      end: () => system.broker.restart(),
      // An app without the database begins a new life after so long. Where the last message of the
      // old one was still in the queue, that one counts as heard now, and is waited for once more.
      within: PATIENT ? EXPIRES_WITHIN + APP_LEASE : EXPIRES_WITHIN,
    }));

  if (ALL) describeOtherOutages();

  function describeOtherOutages(): void {
    it('all workers are killed', () =>
      sitOut({
        begin: () => system.killWorkers(),
        end: () => system.startWorkers(),
        within: WORKED_OFF_WITHIN,
      }));

    it('PostgreSQL is killed', () =>
      sitOut({
        begin: () => system.postgres.kill(),
        end: () => system.postgres.restart(),
        within: WORKED_OFF_WITHIN,
      }));

    it('one of two APIs is cut from the broker, and keeps its lease in the database', () =>
      sitOut({ begin: () => system.ways[0]!.cut(), end: () => system.ways[0]!.mend() }));

    it('an app of another team is cut from the broker, and keeps its lease in the database: it is waited for however long that lasts', () =>
      sitOut({
        begin: () => leased.way.cut(),
        meanwhile: async () => {
          // That is the price: nobody else expires, either.
          expect(await system.lag()).to.be.above(OUTAGE - 2_500);
        },
        end: () => leased.way.mend(),
      }));

    it('an app of another team without the database is cut from the broker: it is waited for as long as a lease lasts, and its users are back when it is', async () => {
      let limit: NodeJS.Timeout | undefined;
      await sitOut({
        begin: () => {
          alone.way.cut();
          if (PATIENT) limit = setTimeout(() => ledger.dismiss(talkersOfAlone), WAITED_FOR);
        },
        end: async () => {
          clearTimeout(limit);
          alone.way.mend();
          await eventually(() => system.assertOnline(talkersOfAlone), { within: 15_000 });
        },
        // Nobody else waits for longer than the lease, and what follows every stall.
        within: PATIENT ? Math.max(0, APP_LEASE + EXPIRES_WITHIN - OUTAGE) : EXPIRES_WITHIN,
      });
      await system.assertOnline(talkersOfAlone);
    });

    it('a worker is stuck on a row that somebody has locked, and the other runs ahead', async () => {
      const locker = new pg.Client({ connectionString: system.databaseUrl });
      locker.on('error', () => {}); // The server may have gone before it.
      await locker.connect();
      await sitOut({
        begin: async () => {
          await locker.query('BEGIN');
          await locker.query('SELECT FROM user_presence WHERE user_id = $1 FOR UPDATE', [
            talkers[0]!.userId,
          ]);
        },
        end: () => locker.end(),
      });
    });

    it('a worker is cut from the database alone: the other one writes what it held', () =>
      sitOut({
        begin: () => system.workersWay.cut(),
        meanwhile: async () => {
          expect(await system.lag()).to.be.below(2_500);
        },
        end: () => system.workersWay.mend(),
      }));

    it('a worker is cut from the broker alone: nobody waits for it', () =>
      sitOut({
        begin: () => system.workersBroker.cut(),
        meanwhile: async () => {
          expect(await system.lag()).to.be.below(2_500);
        },
        end: () => system.workersBroker.mend(),
      }));

    // Neither is seen by the last: that worker cannot renew its lease, either, and gives way to the
    // other. These live on and are waited for, while what they hold is tried again or handed back.
    it('a worker tries in vain to write what it holds, and the other runs ahead: as-of waits for it', () =>
      sitOut({
        begin: async () => {
          await system.refuseFirstWorker(DISK_FULL);
          const stands = async () => expect(await system.lag()).to.be.above(5_000);
          await eventually(stands, { within: OUTAGE });
        },
        end: () => system.acceptFirstWorker(),
      }));

    it('a worker loses every transaction against another, and hands back what it holds', () =>
      sitOut({
        begin: () => system.refuseFirstWorker(SERIALIZATION_FAILURE),
        end: () => system.acceptFirstWorker(),
      }));

    if (PATIENT) {
      it('an API is killed for good: expiry goes on within a minute of the end of its lease', () =>
        sitOut({
          begin: () => system.kill(system.apis[1]!.process),
          end: () => {},
          within: Math.max(0, 120_000 - OUTAGE),
        }));
    }
  }

  it('nobody speaks or asks: people expire all the same', async () => {
    const leavers = await settle();
    await ledger.stop();
    const leaving = [...talkers, ...leavers];
    await Promise.all(leaving.map((client) => client.leave()));
    const begun = performance.now();
    await eventually(
      async () => {
        for (const { status } of await system.rows(leaving)) expect(status).to.equal('offline');
      },
      { within: OFFLINE_AFTER + 5_000 },
    );
    report({ expiredAfter: performance.now() - begun });
  });
});
