import { setTimeout as wait } from 'node:timers/promises';
import { eventually } from '@presence/test-services';
import type { Call } from '../caller.js';
import type { FaultCase } from '../fault-case.js';
import { type Kind, type Load, milliseconds } from '../load.js';
import type { RunningApi } from '../system.js';
import type { Trial } from '../trial.js';
import { Watch } from '../watch.js';

const MINUTE = 60_000;
const OUTAGE = 10 * MINUTE;
/** The defaults, which `--hasten` shortens with the outage. */
const HORIZON = 60_000;
const INTERVAL = 30_000;
const OFFLINE_AFTER = 110_000;

/** Light, so that what is measured is the service and not the machine. */
const RATE = 150;
const PEOPLE = 2_000;
const TALKERS = 100;
/** Each of them beats several times in OFFLINE_AFTER. */
const TALK = 20;
const REFUSED_WITHIN = 50;
const MOST_GROWTH = 48;

export const BROKER_AWAY: FaultCase = {
  number: 7,
  fault: 'broker away 10 minutes',
  did: 'kill -9 broker; in the middle kill -9 an API that has just logged people out',
  lane: 'broker away',
  healthyWithin: 10_000,
  shape: (hasten) => ({
    settings: {
      HEARTBEAT_HORIZON: `${Math.round(HORIZON / hasten)}ms`,
      HEARTBEAT_INTERVAL: `${Math.round(INTERVAL / hasten)}ms`,
      OFFLINE_AFTER: `${Math.round(OFFLINE_AFTER / hasten)}ms`,
    },
  }),
  run: async (trial) => {
    const { system } = trial;
    const [spared, doomed] = [system.apis[0]!, system.apis[1]!];
    const addresses = () => [spared.url];
    const watch = await keepTalking(trial, addresses);
    const load = await trial.load({
      ...{ addresses, rate: RATE, transitions: 5 },
      people: await trial.people(PEOPLE, { canLogIn: true }),
    });
    // Whom the API has not met it looks up in the database: all of them have spoken once.
    await wait((PEOPLE / RATE) * 1_000 + 3_000);
    await system.killBroker();
    trial.say('the broker is away');
    const refusing = await sitOut(trial, load, spared, doomed);
    await system.restartBroker();
    trial.say('the broker is back');
    await trial.mended();
    await wait(trial.long(INTERVAL) + 10_000);
    await watch.stop();
    trial.require(watch.absences.length === 0, `${watch.absences.slice(0, 5).join('; ')}`);
    trial.note(`${watch.looks} looks at people who kept speaking`);
    trial.require(refusing, 'heartbeats were not refused after the horizon');
  },
};

/** People who never leave, watched by a reader for the rest of the case. */
async function keepTalking(trial: Trial, addresses: () => readonly string[]): Promise<Watch> {
  const people = await trial.people(TALKERS);
  await trial.load({ people, addresses, rate: TALK, transitions: 0 });
  const ids = people.map(({ userId }) => userId);
  await eventually(
    async () => {
      const { rows } = await trial.system.database.rows(ids);
      return [...rows.values()].every(({ shown }) => shown !== 'offline');
    },
    { within: 30_000, every: 200 },
  );
  const watch = new Watch({ people, reader: await trial.admin(), addresses });
  watch.start();
  return watch;
}

/** @returns whether heartbeats were refused once the horizon was passed */
async function sitOut(
  trial: Trial,
  load: Load,
  spared: RunningApi,
  doomed: RunningApi,
): Promise<boolean> {
  const began = performance.now();
  await wait(trial.long(HORIZON) + 2_000);
  const memory = await residentMegabytes(spared);
  const answers = new Map(load.tallies.heartbeat.codes);
  await wait(Math.max(0, trial.long(OUTAGE) / 2 - (performance.now() - began)));
  await logOutAndKill(trial, doomed);
  await wait(Math.max(0, trial.long(OUTAGE) - (performance.now() - began)));
  const grown = (await residentMegabytes(spared)) - memory;
  trial.note(`${memory.toFixed(0)} MB after the horizon, ${grown.toFixed(0)} MB more at the end`);
  trial.require(grown < MOST_GROWTH, `memory grew by ${grown.toFixed(0)} MB`);
  requireAnswers(trial, load);
  return (load.tallies.heartbeat.codes.get(503) ?? 0) > (answers.get(503) ?? 0);
}

/** What was answered outlives the API that answered, the broker being away or not. */
async function logOutAndKill(trial: Trial, doomed: RunningApi): Promise<void> {
  const { system, caller } = trial;
  const people = await trial.people(10, { canLogIn: true });
  await Promise.all(people.map((who) => caller.login(doomed.url, who)));
  const answers: (Call | null)[] = [];
  const leaving = people.map(async (who) => answers.push(await caller.logout(doomed.url, who)));
  await Promise.race(leaving);
  await Promise.all(leaving.slice(0, 5));
  await system.killApi(doomed);
  await Promise.all(leaving);
  const promised = answers.filter((answer) => answer?.code === 200).length;
  trial.require(promised >= 5, `${promised} logouts were answered 200 before the kill`);
}

export function requireAnswers(trial: Trial, load: Load): void {
  const { tallies } = load;
  const only = (kind: Kind, ...codes: number[]) => {
    const others = [...tallies[kind].codes].filter(([code]) => !codes.includes(code));
    const text = others.map(([code, count]) => `${count} × ${code}`).join(', ');
    trial.require(others.length === 0, `${kind}: ${text}`);
  };
  only('tracked', 200);
  only('login', 200);
  only('logout', 200);
  only('heartbeat', 200, 503);
  only('set', 200, 202, 503);
  const { retries } = tallies.heartbeat;
  trial.require(retries === (tallies.heartbeat.codes.get(503) ?? 0), '503 without Retry-After');
  const refused = tallies.heartbeat.took.get(503);
  const [p50, p99] = [milliseconds(refused, 50), milliseconds(refused, 99)];
  const [live50, live99] = [milliseconds(load.live, 50), milliseconds(load.live, 99)];
  const took = `503 of a heartbeat: p50 ${p50.toFixed(1)} ms, p99 ${p99.toFixed(1)} ms`;
  trial.note(`${took}; /health/live beside it: ${live50.toFixed(1)} and ${live99.toFixed(1)} ms`);
  // Where a request for nothing takes longer, on a machine busy with others, that is the measure.
  trial.require(p99 < Math.max(REFUSED_WITHIN, live99), took);
}

async function residentMegabytes({ api }: RunningApi): Promise<number> {
  const response = await fetch(`${api.opsUrl}/metrics`);
  const match = /^presence_process_resident_memory_bytes (\S+)$/m.exec(await response.text());
  return Number(match?.[1]) / 1_048_576;
}
