import { setTimeout as wait } from 'node:timers/promises';
import { eventually } from '@presence/test-services';
import { Connections } from '../connections.js';
import { type Contestant, compete, QUICK_ROUNDS, ROUNDS } from '../contest.js';
import type { Figure } from '../figure.js';
import { assertServed, type Target } from '../load.js';
import type { Bench, Measurement } from '../measurement.js';
import { type Latency, type OpenLoad, openLoop } from '../open-loop.js';
import { BARE_KOA } from '../peer.js';
import { ask } from '../probe.js';
import { quantile, spreadOf } from '../statistics.js';
import { Witnesses } from '../witnesses.js';

const PATH = '/api/users/heartbeat/';
const EMPTY_WITHIN = 2_000;
const CONNECTIONS = 64;

export const ROAD: Measurement = {
  name: 'road',
  about: 'heartbeats/s from the client to the row, all of it on this machine, beside bare Koa',
  run: async (bench) => {
    const { stage, people, quick, generator, say } = bench;
    await stage.populate(people + Witnesses.COUNT);
    const tokens = await stage.tokens(people);
    const api = await stage.system.startApi();
    await stage.system.startWorker();
    const koa = await BARE_KOA.start(await stage.peerSettings());
    const target = (url: string): Target => ({ method: 'POST', url: url + PATH, tokens });
    const emptied: number[] = [];
    const road: Contestant = {
      ...{ name: 'whole road', target: target(api.url), pid: api.process.pid },
      settle: async () => void emptied.push(await emptyAfter(bench)),
    };
    const bare = { name: BARE_KOA.name, target: target(koa.url), pid: koa.pid };
    const scores = await compete([road, bare], quick ? QUICK_ROUNDS : ROUNDS, generator, say);
    const [mine, theirs] = [road, bare].map(({ name }) => scores.get(name)!);
    const spread = spreadOf(mine!.map((score, at) => score.perSecond / theirs![at]!.perSecond));

    const witnesses = new Witnesses(stage.people.slice(people), api.url + PATH);
    witnesses.start();
    const load = { seconds: quick ? 10 : 60, connections: CONNECTIONS };
    say(`${load.seconds} s at once, with witnesses`);
    const { perSecond, requests, failures } = await generator.run(road.target, load);
    await witnesses.stop();
    const deadline = performance.now() + EMPTY_WITHIN;
    const empty = await emptyAfter(bench);
    const wrong = await wrongRows(bench, witnesses, deadline);
    assertServed(road.name, { requests, failures });
    say(`${load.seconds} s of bare Koa at once`);
    const beside = await generator.run(bare.target, load);
    const told = [
      'by rate',
      `${load.seconds} s: ${Math.round(perSecond)}/s, bare Koa ${Math.round(beside.perSecond)}/s in the ${load.seconds} s after`,
      `queue empty after ${empty.toFixed(0)} ms (rounds: ${Math.max(...emptied).toFixed(0)} ms)`,
      `${wrong} of ${witnesses.answers} witnesses' rows wrong`,
    ];
    if (wrong > 0) throw new Error(`Rows say other than clients were told: ${told.join('; ')}`);
    const half = await atHalf(bench, road.target, perSecond / 2, api.url);
    const bareAtHalf = await bareAt(bench, bare.target, perSecond / 2);
    await koa.stop();
    const what = 'whole road ÷ Koa';
    const marks = { floor: 0.5, goal: 0.7 };
    return [
      { what, value: spread.median, unit: 'ratio', spread, ...marks, note: told.join('; ') },
      ...half,
      bareAtHalf,
    ];
  },
};

/** Between two looks for a row, in ms: they take the processor from what is measured. */
const LOOK = 10;

/** @returns after how many milliseconds nothing waits in the queue any more */
async function emptyAfter({ stage }: Bench): Promise<number> {
  const began = performance.now();
  await eventually(async () => (await stage.waiting()) === 0, {
    within: EMPTY_WITHIN,
    every: 10,
  });
  return performance.now() - began;
}

/** The queue tells of what waits, not of what a worker holds. @returns how many are wrong at the deadline */
async function wrongRows(
  { stage }: Bench,
  witnesses: Witnesses,
  deadline: number,
): Promise<number> {
  for (;;) {
    const wrong = await witnesses.wrongRows(stage.pool);
    if (wrong === 0 || performance.now() > deadline) return wrong;
    await wait(50);
  }
}

/** Open loop at half of what the road can take: how long an answer takes, and how long a row. */
async function atHalf(
  { stage, quick, people, say }: Bench,
  target: Target,
  rate: number,
  url: string,
): Promise<Figure[]> {
  const pace = paceOf(rate, quick);
  say(`${pace.seconds} s at ${pace.rate}/s`);
  const load = openLoop(target, pace);
  const connections = new Connections(new URL(url));
  const rows: number[] = [];
  const until = performance.now() + (pace.warmUp + pace.seconds - 2) * 1_000;
  await wait(pace.warmUp * 1_000);
  for (let turn = 0; performance.now() < until; turn++) {
    const { userId, token } = stage.people[people + (turn % Witnesses.COUNT)]!;
    const answer = await ask({ method: 'POST', url: url + PATH, token }, connections);
    const { last_seen: seen } = JSON.parse(answer) as { last_seen: string };
    await eventually(() => hasRow(stage.pool, userId, seen), { within: 10_000, every: LOOK });
    rows.push(Date.now() - Date.parse(seen));
    await wait(50);
  }
  connections.close();
  const latency = await load;
  const sorted = rows.toSorted((a, b) => a - b);
  const [row50, row99] = [quantile(sorted, 0.5), quantile(sorted, 0.99)];
  return [
    { what: 'at half: HTTP p99', ...p99Of(latency), floor: 15, goal: 5 },
    {
      ...{ what: 'at half: event to row p99', value: row99, unit: 'ms', floor: 500, goal: 250 },
      note: `p50 ${row50.toFixed(0)} ms, ${rows.length} looks`,
    },
  ];
}

/** What of the latency is the machine's and the generator's: all that else runs has nothing to do. */
async function bareAt({ quick, say }: Bench, target: Target, rate: number): Promise<Figure> {
  say('the same of bare Koa');
  const latency = await openLoop(target, paceOf(rate, quick));
  return { what: 'bare Koa at that rate: HTTP p99', ...p99Of(latency) };
}

function p99Of({ p50, p99, p99s, perSecond }: Latency): Pick<Figure, 'value' | 'unit' | 'note'> {
  const [median, lower, upper] = [p99s.median, p99s.lower, p99s.upper].map((ms) => ms.toFixed(1));
  const pieces = `of each 10 s ${median} ms (${lower} to ${upper})`;
  const note = `${Math.round(perSecond)}/s open loop; p50 ${p50.toFixed(1)} ms; ${pieces}`;
  return { value: p99, unit: 'ms', note };
}

function paceOf(rate: number, quick: boolean): OpenLoad {
  const lasts = quick ? { seconds: 10, warmUp: 2 } : { seconds: 60, warmUp: 5 };
  return { ...lasts, rate: Math.round(rate), connections: CONNECTIONS };
}

async function hasRow(
  pool: Bench['stage']['pool'],
  userId: number,
  seen: string,
): Promise<boolean> {
  const { rows } = await pool.query({
    name: 'row',
    text: 'SELECT FROM user_presence WHERE user_id = $1 AND last_seen >= $2',
    values: [userId, seen],
  });
  return rows.length === 1;
}
