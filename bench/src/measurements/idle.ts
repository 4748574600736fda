import { setTimeout as wait } from 'node:timers/promises';
import type { Measurement } from '../measurement.js';
import { cpuSeconds } from '../usage.js';

/**
 * Seconds until the start is over: V8 gives back what that took, by two or three full collections of
 * 60 to 130 ms in the first half of a minute, and for some minutes compiles what it finds to be called
 * again and again. All of it happens once: by the half minute a worker used 1.5, 1.1, 1.1, 1.0, 0.9
 * percent, and 0.7 from the sixth minute on (on a slow machine). The beginning is told beside it.
 */
const SETTLING = 300;
const QUICK_SETTLING = 20;

export const IDLE: Measurement = {
  name: 'idle',
  about: 'API and worker with nobody there: part of one processor',
  run: async ({ stage, quick, say }) => {
    const seconds = quick ? 20 : 60;
    const api = await stage.system.startApi();
    const worker = await stage.system.startWorker();
    const pids = [api.process.pid, worker.pid];
    const settling = quick ? QUICK_SETTLING : SETTLING;
    say(`${settling} s until the start is over`);
    const first = await shares(pids, seconds);
    await wait((settling - seconds) * 1_000);
    say(`${seconds} s of nothing`);
    const parts = await shares(pids, seconds);
    const [ofApi, ofWorker] = parts.map((part) => part.toFixed(2));
    const note = `API ${ofApi} %, worker ${ofWorker} %, ${settling} s after their start; in the first ${seconds} s ${sum(first).toFixed(2)} %`;
    return [
      { what: 'idle: API + worker', value: sum(parts), unit: '%', floor: 1, goal: 0.3, note },
    ];
  },
};

/** What each uses of one processor, in percent. */
async function shares(pids: readonly number[], seconds: number): Promise<number[]> {
  const before = pids.map((pid) => cpuSeconds([pid]));
  await wait(seconds * 1_000);
  return pids.map((pid, at) => (100 * (cpuSeconds([pid]) - before[at]!)) / seconds);
}

function sum(parts: readonly number[]): number {
  return parts.reduce((total, part) => total + part, 0);
}
