import { setTimeout as wait } from 'node:timers/promises';
import { eventually } from '@presence/test-services';
import type { Api } from '@presence/test-services/system';
import {
  type Contestant,
  compete,
  cpuOf,
  middleOf,
  QUICK_ROUNDS,
  type Ratio,
  ROUNDS,
  ratioOf,
} from '../contest.js';
import type { Figure } from '../figure.js';
import type { Bench, Measurement } from '../measurement.js';
import { metricsOf } from '../metrics.js';
import {
  BARE_KOA,
  type Choice,
  DJANGO,
  DJANGO_UNREAD,
  FASTIFY_REDIS,
  FASTIFY_UPDATE,
  NODE_HTTP,
  type Peer,
  type Running,
} from '../peer.js';
import { median } from '../statistics.js';

const PATH = '/api/users/heartbeat/';
/** The contract's: how long after its answer a heartbeat may take to be on the broker's disk. */
const CONFIRMED_WITHIN = 100;
/** Longer than a publisher gathers events: what is not sent yet cannot be seen to be missing. */
const ALL_SENT_AFTER = 60;
const TRY = { count: 1, seconds: 3, warmUp: 3, connections: 64 };
const PEERS = [NODE_HTTP, BARE_KOA, FASTIFY_REDIS, FASTIFY_UPDATE, DJANGO, DJANGO_UNREAD];

/** What is asked of presence beside each of them: at least, and at best. */
const MARKS: ReadonlyMap<Peer, { floor: number; goal: number }> = new Map([
  [BARE_KOA, { floor: 0.7, goal: 0.9 }],
  [FASTIFY_REDIS, { floor: 1.3, goal: 1.6 }],
  [FASTIFY_UPDATE, { floor: 3, goal: 4 }],
  [DJANGO, { floor: 40, goal: 60 }],
]);

export const HEARTBEATS: Measurement = {
  name: 'heartbeats',
  about: 'heartbeats/s of one API process, beside what answers nothing and what others would do',
  run: async (bench) => {
    const { stage, people, quick, generator, say } = bench;
    await stage.populate(people);
    const tokens = await stage.tokens(people);
    const target = (url: string) => ({ method: 'POST', url: url + PATH, tokens });
    const api = await stage.system.startApi();
    const confirmed: number[] = [];
    const us: Contestant = {
      ...{ name: 'presence', target: target(api.url), pid: api.process.pid },
      settle: async () => void confirmed.push(await settle(bench, api)),
    };
    const [there, away] = [PEERS.filter(isThere), PEERS.filter((peer) => !isThere(peer))];
    const rivals: Rival[] = [];
    for (const peer of there) rivals.push(await startBest(peer, bench, target));
    const all = [us, ...rivals.map(({ contestant }) => contestant)];
    const scores = await compete(all, quick ? QUICK_ROUNDS : ROUNDS, generator, say);
    for (const { running } of rivals) await running.stop();
    const ours = scores.get(us.name)!;
    return [
      { what: 'a heartbeat costs the API', value: cpuOf(ours), unit: 'µs', note: middleOf(ours) },
      confirmedAfter(confirmed),
      ...rivals.map((rival) => {
        const theirs = scores.get(rival.contestant.name)!;
        return figureOf(rival, ratioOf(ours, theirs), middleOf(theirs));
      }),
      ...away.map(
        (peer): Figure => ({
          ...{ what: `÷ ${peer.name}`, value: null, unit: 'ratio', ...MARKS.get(peer) },
          note: `cannot run here: ${peer.missing()} not installed`,
        }),
      ),
    ];
  },
};

function isThere(peer: Peer): boolean {
  return peer.missing() === null;
}

/** @returns after how many milliseconds all that was answered is confirmed */
async function settle({ stage }: Bench, { opsUrl }: Api): Promise<number> {
  const began = performance.now();
  const confirmed = async () => {
    await eventually(() => isConfirmed(opsUrl), { within: 5_000, every: 5 });
    return performance.now() - began;
  };
  await wait(ALL_SENT_AFTER);
  let took = await confirmed();
  // What was sent only after that look has to be there in time, too.
  await wait(Math.max(0, CONFIRMED_WITHIN - took));
  if (!(await isConfirmed(opsUrl))) took = await confirmed();
  await stage.emptyQueue();
  return took;
}

async function isConfirmed(opsUrl: string): Promise<boolean> {
  const figure = await metricsOf(opsUrl);
  const [sent, confirmed, unconfirmed] = [
    figure('presence_events_sent_total'),
    figure('presence_events_confirmed_total'),
    figure('presence_events_unconfirmed_total'),
  ];
  return sent === confirmed + unconfirmed;
}

/** The worst load decides: the contract knows no exceptions. */
function confirmedAfter(times: readonly number[]): Figure {
  const late = times.filter((time) => time > CONFIRMED_WITHIN).length;
  return {
    ...{ what: 'every heartbeat confirmed after', value: Math.max(...times), unit: 'ms' },
    ...{ floor: CONFIRMED_WITHIN, goal: CONFIRMED_WITHIN },
    note: `${late} of ${times.length} loads later than ${CONFIRMED_WITHIN} ms; median ${median(times).toFixed(0)} ms`,
  };
}

interface Rival {
  readonly peer: Peer;
  readonly contestant: Contestant;
  readonly running: Running;
  /** With what settings, and what the others came to. */
  readonly setting: string;
}

/** With the better one of its settings, as a short try tells. */
async function startBest(
  peer: Peer,
  { stage, generator, quick, say }: Bench,
  target: (url: string) => Contestant['target'],
): Promise<Rival> {
  const environment = await stage.peerSettings();
  const start = async (setting: string, choice?: Choice): Promise<Rival> => {
    const running = await peer.start({ ...environment, ...choice?.settings });
    const contestant = { name: peer.name, target: target(running.url), pid: running.pid };
    return { peer, contestant, running, setting };
  };
  const usual = peer.choices.at(-1);
  if (quick) return start(usual === undefined ? '' : `${usual.name} (nothing else tried)`, usual);
  const tried: { choice: Choice; rate: number }[] = [];
  for (const choice of peer.choices) {
    const { contestant, running } = await start(choice.name, choice);
    const scores = await compete([contestant], TRY, generator, () => {});
    await running.stop();
    tried.push({ choice, rate: Math.round(scores.get(peer.name)![0]!.perSecond) });
    say(`${peer.name}, ${choice.name}: ${tried.at(-1)!.rate}/s`);
  }
  const [best] = tried.toSorted((a, b) => b.rate - a.rate);
  const setting = tried.map(({ choice, rate }) => `${choice.name} ${rate}/s`).join(', ');
  return best === undefined
    ? start('')
    : start(`${best.choice.name} (tried: ${setting})`, best.choice);
}

function figureOf({ peer, setting }: Rival, ratio: Ratio, scores: string): Figure {
  return {
    ...{ what: `÷ ${peer.name}`, value: ratio.median, unit: 'ratio', spread: ratio },
    ...MARKS.get(peer),
    note: [`by ${ratio.by}`, scores, setting].filter((text) => text !== '').join('; '),
  };
}
