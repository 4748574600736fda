import { assertServed } from '../load.js';
import type { Measurement } from '../measurement.js';
import { median } from '../statistics.js';
import { cpuSeconds } from '../usage.js';

const CONNECTIONS = 64;

export const NEWCOMERS: Measurement = {
  name: 'newcomers',
  about: 'heartbeats/s of an API that has just started, to which everybody is new',
  run: async ({ stage, people, quick, generator, say }) => {
    await stage.populate(people);
    const tokens = await stage.tokens(people);
    // It declares the queue, and ends.
    await (await stage.system.startWorker()).end('SIGTERM');
    const [rounds, seconds] = quick ? [1, 2] : [7, 3];
    const rates: number[] = [];
    const costs: number[][] = [];
    for (let round = 1; round <= rounds; round++) {
      const api = await stage.system.startApi();
      const pids = [api.process.pid, stage.postgres.pid];
      const before = pids.map((pid) => cpuSeconds([pid]));
      const target = { method: 'POST', url: `${api.url}/api/users/heartbeat/`, tokens };
      const traffic = await generator.run(target, { seconds, connections: CONNECTIONS });
      costs.push(
        pids.map((pid, at) => (1e6 * (cpuSeconds([pid]) - before[at]!)) / traffic.requests),
      );
      await api.process.end('SIGTERM');
      await stage.emptyQueue();
      assertServed('presence', traffic);
      if (traffic.requests > people)
        throw new Error(`${people} people are too few for this machine.`);
      rates.push(traffic.perSecond);
      say(`round ${round} of ${rounds}: ${Math.round(traffic.perSecond)}/s`);
    }
    const [ofApi, ofPostgres] = [0, 1].map((at) => median(costs.map((cost) => cost[at]!)));
    const note = `API ${ofApi!.toFixed(0)} µs, Postgres ${ofPostgres!.toFixed(0)} µs each`;
    return [{ what: 'first heartbeats', value: median(rates), unit: '/s', note }];
  },
};
