import { setTimeout as wait } from 'node:timers/promises';
import type { Figure } from '../figure.js';
import { introduceAll } from '../introduction.js';
import type { Measurement } from '../measurement.js';
import { metricsOf } from '../metrics.js';
import { openLoop } from '../open-loop.js';
import { cpuSeconds } from '../usage.js';
import { walBytes } from '../wal.js';

const RATE = 5_000;
const WARM_UP = 5;

export const COSTS: Measurement = {
  name: 'costs',
  about: 'what one heartbeat costs each part: processor time, WAL, bytes to the broker',
  run: async (bench) => {
    const { stage, people, quick, say } = bench;
    const seconds = quick ? 10 : 60;
    await stage.populate(people);
    const tokens = await stage.tokens(people);
    const api = await stage.system.startApi();
    const worker = await stage.system.spawnWorker();
    await stage.system.ready(worker.opsUrl, worker.process);
    const target = { method: 'POST', url: `${api.url}/api/users/heartbeat/`, tokens };
    // Before it counts tokens are verified, users looked up, and rows written for the first time.
    await introduceAll(bench, target);
    const load = openLoop(target, {
      ...{ seconds: seconds + 2, warmUp: WARM_UP },
      ...{ rate: RATE, connections: 64 },
    });
    await wait(WARM_UP * 1_000);
    const pids = [api.process.pid, stage.broker.pid, worker.process.pid, stage.postgres.pid];
    const look = async () => {
      const [ofApi, ofWorker] = [await metricsOf(api.opsUrl), await metricsOf(worker.opsUrl)];
      return {
        recorded: ofApi('presence_events_recorded_total'),
        sent: ofApi('presence_events_sent_total'),
        sentBytes: ofApi('presence_sent_bytes_total'),
        messages: ofApi('presence_publish_batch_events_count'),
        written: ofWorker('presence_events_written_total'),
        wal: await walBytes(stage.pool),
        cpu: pids.map((pid) => cpuSeconds([pid])),
      };
    };
    const before = await look();
    say(`${seconds} s at ${RATE} heartbeats/s`);
    await wait(seconds * 1_000);
    const after = await look();
    const { perSecond, failures } = await load;
    const heartbeats = after.recorded - before.recorded;
    const per = (one: number, other: number) => (one - other) / heartbeats;
    const parts = ['API', 'broker', 'worker', 'Postgres'].map((part, at): Figure => {
      const value = 1e6 * per(after.cpu[at]!, before.cpu[at]!);
      return { what: `a heartbeat costs ${part}`, value, unit: 'µs' };
    });
    const told = `${Math.round(perSecond)}/s, ${failures} failures`;
    const size = (after.sent - before.sent) / (after.messages - before.messages);
    return [
      ...parts,
      {
        ...{ what: 'a heartbeat costs WAL', value: per(after.wal, before.wal), unit: 'bytes' },
        note: `${told}; ${Math.round((after.written - before.written) / seconds)} rows/s`,
      },
      {
        ...{ what: 'a heartbeat costs on its way to the broker', unit: 'bytes' },
        value: per(after.sentBytes, before.sentBytes),
        note: `body alone; ${size.toFixed(0)} events a message`,
      },
    ];
  },
};
