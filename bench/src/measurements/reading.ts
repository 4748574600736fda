import { setTimeout as wait } from 'node:timers/promises';
import { encodeCursor } from '@presence/adapters/postgres';
import type { Figure } from '../figure.js';
import { introduceAll } from '../introduction.js';
import type { Measurement } from '../measurement.js';
import { openLoop } from '../open-loop.js';
import { type Asked, ask, probe, WARM_UP } from '../probe.js';

const USERS = 1_000_000;
const HEARTBEATS = 5_000;
const CONNECTIONS = 64;
const RATE = 20;
const ADMIN = '/api/users/admin/users';
const LIST = '/api/users/management';
const PER_PAGE = 50;
/** How far a reader has paged. */
const DEEP_PAGE = 1_000;

interface Read {
  readonly what: string;
  /** Or what it is at a time, in milliseconds since the epoch. */
  readonly path: string | ((at: number) => string);
  readonly floor?: number;
  readonly goal?: number;
}

export const READING: Measurement = {
  name: 'reading',
  about:
    'how long reads and set-online-status take among a million users, beside 5,000 heartbeats/s',
  run: async (bench) => {
    const { stage, people, quick, say } = bench;
    const users = quick ? USERS / 10 : USERS;
    await stage.populate(people);
    say(`${users} users`);
    await stage.addUsers(users);
    const tokens = await stage.tokens(people);
    const api = await stage.system.startApi();
    await stage.system.startWorker();
    const { token } = await stage.admin();
    const url = (path: string) => api.url + path;
    const count = quick ? 100 : 1_000;
    const seconds = 10 + (9 * (count + WARM_UP)) / RATE + (quick ? 5 : 30);
    const target = { method: 'POST', url: url('/api/users/heartbeat/'), tokens };
    await introduceAll(bench, target);
    // Who spoke first may count as offline by now: everybody speaks twice more, the load's start aside.
    const warmUp = (2 * people) / HEARTBEATS + 5;
    const load = openLoop(target, {
      ...{ seconds, warmUp },
      ...{ rate: HEARTBEATS, connections: CONNECTIONS },
    });
    await wait(warmUp * 1_000);

    const anyone = () => 1 + Math.floor(Math.random() * users);
    const read = (path: string): Asked => ({ method: 'GET', url: url(path), token });
    const deep = quick ? DEEP_PAGE / 10 : DEEP_PAGE;
    const byCursor = (at: number) => `${ADMIN}/online/?cursor=${placeOf(deep, at)}`;
    await assertFull(read(byCursor(Date.now())));
    // First: those who are set away, and do not speak, are what the filter then finds.
    const set = await probe(
      () => ({
        method: 'POST',
        url: url(`${ADMIN}/${anyone()}/set-online-status/`),
        token,
        body: { status: 'away' },
      }),
      { count, rate: RATE },
    );
    const away = `${LIST}/list/?online_status=away`;
    await assertFull(read(away));
    const reads: readonly Read[] = [
      { what: 'filter away', path: away, floor: 10, goal: 3 },
      { what: 'status', path: () => `${ADMIN}/${anyone()}/online-status/`, floor: 5, goal: 2 },
      { what: 'online, page 1', path: `${ADMIN}/online/`, floor: 10, goal: 3 },
      { what: `online, cursor page ${deep}`, path: byCursor, floor: 10, goal: 3 },
      { what: 'filter online', path: `${LIST}/list/?online_status=online`, floor: 10, goal: 3 },
      { what: 'statistics', path: `${LIST}/statistics/`, floor: 10, goal: 3 },
      { what: `online, page=${deep}`, path: `${ADMIN}/online/?page=${deep}` },
      { what: 'liveness, which reads nothing', path: '/health/live' },
    ];
    const figures: Figure[] = [];
    for (const { what, path, ...marks } of reads) {
      const next = (at: number) => read(typeof path === 'string' ? path : path(at));
      const { p50, p99 } = await probe(next, { count, rate: RATE });
      const note = `p50 ${p50.toFixed(1)} ms`;
      figures.push({ what: `${what}: p99`, value: p99, unit: 'ms', ...marks, note });
      say(`${what}: p50 ${p50.toFixed(1)} ms, p99 ${p99.toFixed(1)} ms`);
    }
    const { perSecond, failures } = await load;
    const note = `beside ${Math.round(perSecond)} heartbeats/s, ${failures} failures`;
    return [
      ...figures,
      { what: 'set-online-status: p50', value: set.p50, unit: 'ms', floor: 10, goal: 3, note },
      { what: 'set-online-status: p99', value: set.p99, unit: 'ms', floor: 60, goal: 20 },
    ];
  },
};

/**
 * Where that page begins at a time, most recent first: so many users have been seen since then. A
 * cursor that was once handed out is soon behind everybody, and its answer is an empty page.
 */
function placeOf(page: number, at: number): string {
  const users = page * PER_PAGE;
  return encodeCursor([Math.round(at - (users / HEARTBEATS) * 1_000), 0]);
}

/** @throws where that page is not full: to read it would say nothing. */
async function assertFull(asked: Asked): Promise<void> {
  const page = JSON.parse(await ask(asked)) as Record<string, unknown[] | undefined>;
  const users = page.online_users ?? page.users ?? [];
  if (users.length < PER_PAGE) throw new Error(`Of that page there are ${users.length} users.`);
}
