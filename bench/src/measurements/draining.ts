import { drain, publishBatches, publishSingles } from '../backlog.js';
import { heartbeat, lots, shuffled } from '../crowd.js';
import type { Measurement } from '../measurement.js';
import { median, spreadOf } from '../statistics.js';
import { BATCH, openStore } from '../store.js';

const USERS = 1_000_000;

export const DRAINING: Measurement = {
  name: 'draining',
  about: 'events/s of one worker with a full queue, beside its statement fed from memory',
  run: async ({ stage, quick, say }) => {
    const [rounds, users] = quick ? [1, USERS / 10] : [7, USERS];
    await stage.addUsers(users, 'online');
    await (await stage.system.startWorker()).end('SIGTERM');
    const { store, pool } = openStore(stage.system.database.url);
    const fromQueue: number[] = [];
    const fromMemory: number[] = [];
    const ways = [
      async () => {
        await publishBatches(stage, shuffled(users));
        fromQueue.push(await drain(stage, users));
      },
      async () => {
        const began = performance.now();
        for (const lot of lots(shuffled(users), BATCH)) {
          await store.apply({ events: lot.map(heartbeat), ended: [], progress: [] });
        }
        fromMemory.push(users / ((performance.now() - began) / 1_000));
      },
    ];
    for (let round = 1; round <= rounds; round++) {
      for (const way of round % 2 === 1 ? ways : ways.toReversed()) await way();
      const [queue, memory] = [fromQueue, fromMemory].map((rates) => Math.round(rates.at(-1)!));
      say(`round ${round} of ${rounds}: queue ${queue}/s, memory ${memory}/s`);
    }
    await pool.end();
    const singles = shuffled(users).slice(0, users / 5);
    await publishSingles(stage, singles);
    const single = await drain(stage, singles.length);
    const spread = spreadOf(fromQueue.map((rate, round) => rate / fromMemory[round]!));
    const [queue, memory] = [fromQueue, fromMemory].map((rates) => Math.round(median(rates)));
    return [
      {
        ...{ what: 'worker draining ÷ from memory', value: spread.median, unit: 'ratio', spread },
        ...{ floor: 0.8, goal: 0.95, note: `by rate; ${queue}/s beside ${memory}/s` },
      },
      { what: 'single-event messages', value: single, unit: '/s' },
    ];
  },
};
