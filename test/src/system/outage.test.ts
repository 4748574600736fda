import { setTimeout as wait } from 'node:timers/promises';
import { expect } from 'chai';
import pg from 'pg';
import { eventually } from '../eventually.js';
import type { Client } from './client.js';
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
/** After a stall clients get one interval and 5 s to speak; a busy machine needs more for all else. */
const HOLD = INTERVAL + 5_000;
const EXPIRES_WITHIN = HOLD + 15_000;

describe(`An outage of ${OUTAGE / 1_000} s, where ${OFFLINE_AFTER / 1_000} s of silence are offline, shows nobody absent who keeps speaking`, function () {
  this.timeout(OUTAGE * 2 + 180_000);
  let system: OutageSystem;
  let ledger: Ledger;
  let talkers: Client[];

  before(async () => {
    system = await OutageSystem.start();
    const [admin] = await system.addPeople(1, 'admin');
    ledger = system.ledger(admin!.token);
    talkers = await system.arrive(TALKERS);
    await ledger.start();
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
    const leavers = await system.arrive(LEAVERS);
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
    expect(spoke).to.have.lengthOf(TALKERS);
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
    sitOut({ begin: () => system.broker.kill(), end: () => system.broker.restart() }));

  if (ALL) describeOtherOutages();

  function describeOtherOutages(): void {
    it('all workers are killed', () =>
      sitOut({ begin: () => system.killWorkers(), end: () => system.startWorkers() }));

    it('PostgreSQL is killed', () =>
      sitOut({ begin: () => system.postgres.kill(), end: () => system.postgres.restart() }));

    it('one of two APIs is cut from the broker, and keeps its lease in the database', () =>
      sitOut({ begin: () => system.ways[0]!.cut(), end: () => system.ways[0]!.mend() }));

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
