import { setTimeout as wait } from 'node:timers/promises';
import type { FaultCase } from './fault-case.js';
import type { Kind, Load } from './load.js';
import { type FaultKind, type PlannedFault, planOf } from './plan.js';
import type { RunningApi, RunningWorker } from './system.js';
import type { Trial } from './trial.js';

export interface RandomOptions {
  /** Milliseconds. */
  readonly random: number;
  readonly seed: number;
  readonly rate: number;
  readonly transitions: number;
}

const PEOPLE = 5_000;
const LOCKED = 20;
/** Everything is reckoned so often, and forgotten: a ledger of half an hour would be millions. */
const RECKON_EVERY = 300_000;

/** Faults by a plan that the seed decides, under load; a case like the others. */
export function randomFaults({ random, seed, rate, transitions }: RandomOptions): FaultCase {
  return {
    number: 0,
    fault: `random faults, seed ${seed}`,
    did: `${random / 60_000} min under ${rate} heartbeats and ${transitions} transitions a second`,
    shape: { ways: true },
    run: async (trial) => {
      const people = await trial.people(PEOPLE, { canLogIn: true });
      const admins = await trial.people(8, { role: 'admin' });
      const newLoad = () => trial.load({ people, admins, rate, transitions });
      let load = await newLoad();
      const plan = planOf(random, seed);
      const began = performance.now();
      let stood = 0;
      let reckonedAt = began;
      for (const [index, fault] of plan.entries()) {
        await wait(Math.max(0, fault.at - (performance.now() - began - stood)));
        await bringAbout(trial, fault, `${index + 1} of ${plan.length}`);
        if (performance.now() - reckonedAt < RECKON_EVERY || index === plan.length - 1) continue;
        const paused = performance.now();
        tell(trial, load, reckonedAt);
        await trial.checkpoint();
        load = await newLoad();
        reckonedAt = performance.now();
        stood += reckonedAt - paused;
      }
      tell(trial, load, reckonedAt);
      trial.note(`${plan.length} faults`);
    },
  };
}

/** What the load has come to: on a machine that cannot keep up it is less than it was to be. */
function tell(trial: Trial, { tallies, heldBack }: Load, since: number): void {
  const told = Object.entries(tallies).map(([kind, { codes }]) => {
    const counts = [...codes].map(([code, count]) => `${count} × ${code || 'no answer'}`);
    return `${kind} ${counts.join(', ')}`;
  });
  trial.say(told.join('; '));
  const seconds = (performance.now() - since) / 1_000;
  const rate = (...kinds: readonly Kind[]) => {
    const sent = kinds.flatMap((kind) => [...tallies[kind].codes.values()]);
    return (sent.reduce((sum, count) => sum + count, 0) / seconds).toFixed(0);
  };
  const [beats, transitions] = [rate('heartbeat', 'tracked'), rate('login', 'logout', 'set')];
  trial.note(`${beats} requests and ${transitions} transitions a second; ${heldBack} held back`);
}

async function bringAbout(trial: Trial, fault: PlannedFault, place: string): Promise<void> {
  trial.say(`${place}: ${fault.kind} ${fault.which}, ${(fault.lasts / 1_000).toFixed(1)} s`);
  await FAULTS[fault.kind](trial, fault);
  const healthy = await trial.mended();
  trial.say(`${place}: healthy after ${(healthy / 1_000).toFixed(1)} s`);
}

const startApi = ({ system }: Trial) => system.startApi({ ways: true });
const startWorker = ({ system }: Trial) => system.startWorker({ ways: true });
const apiOf = ({ system }: Trial, { which }: PlannedFault): RunningApi => system.apis[which]!;
const workerOf = ({ system }: Trial, { which }: PlannedFault): RunningWorker =>
  system.workers[which]!;

type Bring = (trial: Trial, fault: PlannedFault) => Promise<void>;

/** Each leaves everything as it was before. */
const FAULTS: Readonly<Record<FaultKind, Bring>> = {
  'kill a worker': async (trial, fault) => {
    await trial.system.killWorker(workerOf(trial, fault));
    await wait(fault.lasts);
    await startWorker(trial);
  },
  'kill an API': async (trial, fault) => {
    await trial.system.killApi(apiOf(trial, fault));
    await wait(fault.lasts);
    await startApi(trial);
  },
  'stop a worker': async (trial, fault) => {
    await trial.system.end(workerOf(trial, fault));
    await wait(fault.lasts);
    await startWorker(trial);
  },
  'stop an API': async (trial, fault) => {
    await trial.system.end(apiOf(trial, fault));
    await wait(fault.lasts);
    await startApi(trial);
  },
  'freeze a worker': async (trial, fault) => {
    const { process } = workerOf(trial, fault);
    process.signal('SIGSTOP');
    await wait(fault.lasts);
    process.signal('SIGCONT');
  },
  'kill the broker': async ({ system }, { lasts }) => {
    await system.killBroker();
    await wait(lasts);
    await system.restartBroker();
  },
  'restart the broker': async ({ system }) => {
    await system.stopBroker();
    await system.restartBroker();
  },
  'kill Postgres': async ({ system }, { lasts }) => {
    await system.postgres.kill();
    await wait(lasts);
    await system.postgres.restart();
  },
  'restart Postgres': async ({ system }) => {
    await system.postgres.restart();
  },
  'cut an API from the broker': (trial, fault) => cut(apiOf(trial, fault).ways!.broker, fault),
  'cut an API from Postgres': (trial, fault) => cut(apiOf(trial, fault).ways!.database, fault),
  'cut a worker from the broker': (trial, fault) => cut(workerOf(trial, fault).ways!.broker, fault),
  'cut a worker from Postgres': (trial, fault) => cut(workerOf(trial, fault).ways!.database, fault),
  'hold an API from the broker': (trial, fault) => hold(apiOf(trial, fault).ways!.broker, fault),
  'hold a worker from the broker': (trial, fault) =>
    hold(workerOf(trial, fault).ways!.broker, fault),
  'hold a worker from Postgres': (trial, fault) =>
    hold(workerOf(trial, fault).ways!.database, fault),
  'close all connections to the broker': async ({ system }) => {
    await system.broker.ctl('close_all_connections', 'a fault');
  },
  'lock rows': async (trial, { lasts }) => {
    const locker = await trial.system.database.connect();
    await locker.query('BEGIN');
    await locker.query(
      `SELECT FROM user_presence WHERE user_id IN (
         SELECT user_id FROM user_presence ORDER BY user_id DESC LIMIT $1) FOR UPDATE`,
      [LOCKED],
    );
    await wait(lasts);
    await locker.end();
  },
};

interface Way {
  cut(): void;
  hold(): void;
  mend(): void;
}

async function cut(way: Way, { lasts }: PlannedFault): Promise<void> {
  way.cut();
  await wait(lasts);
  way.mend();
}

async function hold(way: Way, { lasts }: PlannedFault): Promise<void> {
  way.hold();
  await wait(lasts);
  way.mend();
}
