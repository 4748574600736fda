import { setTimeout as wait } from 'node:timers/promises';
import type { Measurement } from '../measurement.js';
import { openLoop } from '../open-loop.js';
import { median } from '../statistics.js';
import { residentBytes } from '../usage.js';

const MEGABYTE = 1_048_576;
/** The bound of the cache of verified tokens: `CACHE_BYTES` of the token verifier. */
const TOKEN_CACHE = 64 * MEGABYTE;
/** Seconds between two heartbeats of one user. */
const INTERVAL = 30;
const LOOK_EVERY = 5;

export const MEMORY: Measurement = {
  name: 'memory',
  about: 'what API and worker hold in memory after 10 minutes of everybody heartbeating',
  run: async ({ stage, people, quick, say }) => {
    const minutes = quick ? 1 : 10;
    await stage.populate(people);
    const tokens = await stage.tokens(people);
    const api = await stage.system.startApi();
    const worker = await stage.system.startWorker();
    const target = { method: 'POST', url: `${api.url}/api/users/heartbeat/`, tokens };
    const rate = Math.round(people / INTERVAL);
    const load = openLoop(target, {
      ...{ seconds: minutes * 60 + 10, warmUp: 0 },
      ...{ rate, connections: 64 },
    });
    const looks: number[][] = [];
    for (let second = 0; second < minutes * 60; second += LOOK_EVERY) {
      await wait(LOOK_EVERY * 1_000);
      looks.push([api.process.pid, worker.pid].map((pid) => residentBytes(pid) / MEGABYTE));
      if (second % 60 === 0) say(`minute ${second / 60}: ${looks.at(-1)!.map(Math.round)} MB`);
    }
    const { perSecond, failures } = await load;
    const [ofApi, ofWorker] = [0, 1].map((which) => looks.map((look) => look[which]!));
    const atEnd = (held: readonly number[]) => median(held.slice(-60 / LOOK_EVERY));
    const note = `at ${Math.round(perSecond)} heartbeats/s, ${failures} failures`;
    const overBound = Math.max(0, atEnd(ofApi!) - TOKEN_CACHE / MEGABYTE);
    const marks = { floor: 150, goal: 110 };
    const grows = { unit: '%', floor: 5, goal: 2 } as const;
    return [
      {
        ...{ what: 'API: memory over its token cache', value: overBound, unit: 'MB', ...marks },
        note: `${atEnd(ofApi!).toFixed(0)} MB in all, of which 64 MB may be tokens; ${note}`,
      },
      { what: 'worker: memory', value: atEnd(ofWorker!), unit: 'MB', ...marks },
      { what: 'API: growth in the second half', value: growth(ofApi!), ...grows },
      { what: 'worker: growth in the second half', value: growth(ofWorker!), ...grows },
    ];
  },
};

/**
 * By how many percent the second half of the looks has grown from its begin to its end: twice what
 * lies between the medians of its own halves. A single minute tells when garbage was last collected.
 */
function growth(looks: readonly number[]): number {
  const second = looks.slice(looks.length / 2);
  const middle = second.length / 2;
  const [before, after] = [second.slice(0, middle), second.slice(middle)].map(median);
  return 200 * (after! / before! - 1);
}
