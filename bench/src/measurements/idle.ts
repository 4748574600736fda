import { setTimeout as wait } from 'node:timers/promises';
import type { Measurement } from '../measurement.js';
import { cpuSeconds } from '../usage.js';

/**
 * Seconds until the start is over. V8 collects two or three times when a program has become quiet, 8 to
 * 17 s after it began: some 60 ms of a processor each time and process, once, which is not idleness.
 */
const SETTLING = 20;

export const IDLE: Measurement = {
  name: 'idle',
  about: 'API and worker with nobody there: part of one processor',
  run: async ({ stage, quick, say }) => {
    const seconds = quick ? 20 : 60;
    const api = await stage.system.startApi();
    const worker = await stage.system.startWorker();
    await wait(SETTLING * 1_000);
    say(`${seconds} s of nothing`);
    const before = [api.process, worker].map(({ pid }) => cpuSeconds([pid]));
    await wait(seconds * 1_000);
    const parts = [api.process, worker].map(
      ({ pid }, at) => (100 * (cpuSeconds([pid]) - before[at]!)) / seconds,
    );
    const [ofApi, ofWorker] = parts.map((part) => part.toFixed(2));
    const note = `API ${ofApi} %, worker ${ofWorker} %`;
    const value = parts.reduce((sum, part) => sum + part, 0);
    return [{ what: 'idle: API + worker', value, unit: '%', floor: 1, goal: 0.3, note }];
  },
};
