import { setTimeout as wait } from 'node:timers/promises';
import { eventually } from '@presence/test-services';
import type { FaultCase } from '../fault-case.js';
import type { Load } from '../load.js';
import { metric } from '../metric.js';
import type { Trial } from '../trial.js';
import { requireAnswers } from './broker-away.js';

const HORIZON = 20_000;
/** Between the oldest event that is not confirmed and the first answer that counts by it. */
const MARGIN = 2_000;
const BACKLOG = 500;
const DRAINED_WITHIN = 60_000;

const ALARMS = {
  memory: {
    raise: ['set_vm_memory_high_watermark', '0.000001'],
    end: ['set_vm_memory_high_watermark', '0.4'],
  },
  disk: {
    raise: ['set_disk_free_limit', '1000000GB'],
    end: ['set_disk_free_limit', '50MB'],
  },
} as const;

/** Publishers are no longer read from; whoever only consumes is. */
export const BROKER_ALARM: FaultCase = {
  number: 9,
  fault: 'memory or disk alarm (connection.blocked)',
  did: `${BACKLOG} messages wait; each alarm for longer than HEARTBEAT_HORIZON (${HORIZON / 1_000} s)`,
  healthyWithin: 10_000,
  shape: { settings: { HEARTBEAT_HORIZON: `${HORIZON}ms` } },
  run: async (trial) => {
    for (const [name, { raise, end }] of Object.entries(ALARMS)) {
      const load = await trial.load({ rate: 80, transitions: 5 });
      await eventually(() => load.served > 100);
      const backlog = await leaveWaiting(trial);
      await trial.system.broker.ctl(...raise);
      try {
        await sitOut(trial, name, load, backlog);
      } finally {
        await trial.system.broker.ctl(...end);
      }
      await trial.mended();
      await trial.stopLoads();
      requireAnswers(trial, load);
    }
  },
};

/** Messages that workers have, and have not looked at. @returns whose they are */
async function leaveWaiting(trial: Trial): Promise<readonly number[]> {
  const people = await trial.people(BACKLOG);
  const publisher = await trial.publisher();
  for (const { process } of trial.system.workers) process.signal('SIGSTOP');
  const now = Date.now();
  const published = people.map(({ userId, sessionId }) =>
    publisher.publish({
      ...{ type: 'heartbeat', userId, sessionId, status: 'away', occurredAt: now },
    }),
  );
  const held = (await Promise.all(published)).filter(Boolean).length;
  trial.require(held === BACKLOG, `the broker has confirmed ${held} of ${BACKLOG}`);
  return people.map(({ userId }) => userId);
}

async function sitOut(
  trial: Trial,
  alarm: string,
  load: Load,
  backlog: readonly number[],
): Promise<void> {
  await eventually(async () => (await connectedApis(trial)) === 0, { within: 15_000 });
  const blockedAt = performance.now();
  for (const { process } of trial.system.workers) process.signal('SIGCONT');
  const drained = drain(trial, backlog).then(() => performance.now() - blockedAt);
  await wait(HORIZON - MARGIN - (performance.now() - blockedAt));
  const early = load.tallies.heartbeat.codes.get(503) ?? 0;
  trial.require(early === 0, `${early} heartbeats were refused before the horizon`);
  await wait(2 * MARGIN);
  const { codes } = load.tallies.heartbeat;
  const [taken, refused] = [codes.get(200) ?? 0, codes.get(503) ?? 0];
  await wait(MARGIN);
  const late = (codes.get(200) ?? 0) - taken;
  trial.require(late === 0, `${late} heartbeats were taken after the horizon`);
  trial.require((codes.get(503) ?? 0) > refused, 'no heartbeat was refused after the horizon');
  trial.note(`${alarm} alarm: drained after ${((await drained) / 1_000).toFixed(1)} s of it`);
  trial.require((await connectedApis(trial)) === 0, 'the alarm was over before that');
}

/** Rows say so, and the broker: acknowledgements, too, get through. */
async function drain(trial: Trial, ids: readonly number[]): Promise<void> {
  await eventually(
    async () => {
      const { rows } = await trial.system.database.rows(ids);
      return [...rows.values()].every(({ shown }) => shown === 'away');
    },
    { within: DRAINED_WITHIN, every: 200 },
  );
  const left = async () => (await trial.system.queue.queuedAndHeld()) === 0;
  await eventually(left, { within: DRAINED_WITHIN, every: 500 });
}

async function connectedApis({ system }: Trial): Promise<number> {
  const figures = system.apis.map(({ api }) => metric(api.opsUrl, 'presence_broker_connected'));
  return (await Promise.all(figures)).reduce((sum, connected) => sum + connected, 0);
}
