import { PREFETCH, WRITER_QUEUE } from '@presence/adapters/wire';
import { eventually } from '@presence/test-services';
import type { FaultCase } from '../fault-case.js';
import { lockRows, workerWaits } from '../locked-rows.js';
import type { Trial } from '../trial.js';

const ROUNDS = 2;

/** A row is locked, so that the worker is in the middle of a transaction when it ends. */
export const KILLED_BEFORE_COMMIT: FaultCase = {
  number: 3,
  fault: 'kill -9 worker before COMMIT',
  did: `a row is locked; kill -9 while the worker waits for it, ${ROUNDS} times`,
  short: true,
  shape: { workers: 1 },
  run: async (trial) => {
    const { system } = trial;
    await trial.load();
    for (let round = 0; round < ROUNDS; round++) await killBeforeCommit(trial);
    trial.require(system.workers.length === 1, 'another worker took its place');
    await trial.mended();
  },
};

async function killBeforeCommit(trial: Trial): Promise<void> {
  const { system, caller } = trial;
  const [who] = await trial.people(1);
  const locker = await lockRows(system, [who!]);
  try {
    const api = system.addresses()[0]!;
    const set = caller.set(api, await trial.admin(), who!, 'away');
    await workerWaits(system);
    await system.killWorker(system.workers[0]!);
    await locker.query('COMMIT');
    const { rows } = await system.database.rows([who!.userId]);
    const untouched = rows.get(who!.userId)?.presence.lastSeen === null;
    trial.require(untouched, 'the worker had committed before the kill');
    await system.startWorker();
    const answer = await set;
    trial.require(answer?.code === 200 || answer?.code === 202, `the status: ${answer?.code}`);
  } finally {
    await locker.end();
  }
}

/** What the worker sends to the broker is held, so that it commits and acknowledges nothing. */
export const KILLED_BEFORE_ACKNOWLEDGEMENT: FaultCase = {
  number: 4,
  fault: 'kill -9 worker after COMMIT, before the acknowledgement',
  did: `its acknowledgements are held; kill -9 once rows are written, ${ROUNDS} times`,
  short: true,
  shape: { workers: 0 },
  run: async (trial) => {
    const { system } = trial;
    await trial.load();
    for (let round = 0; round < ROUNDS; round++) await killBeforeAcknowledgement(trial);
    await system.startWorker();
    await trial.mended();
  },
};

async function killBeforeAcknowledgement(trial: Trial): Promise<void> {
  const { system, caller } = trial;
  const people = await trial.people(20);
  const worker = await system.startWorker({ ways: true });
  // No more than it may hold is delivered to it: what had waited before must be out of the way.
  await trial.mended();
  worker.ways!.broker.hold('toServer');
  const api = system.addresses()[0]!;
  await Promise.all(people.map((who) => caller.heartbeat(api, who)));
  const ids = people.map(({ userId }) => userId);
  await eventually(async () => {
    const { rows } = await system.database.rows(ids);
    return [...rows.values()].every(({ shown }) => shown === 'online');
  });
  await system.killWorker(worker);
  const told = system.listener.heard.filter(({ userId }) => ids.includes(userId));
  trial.require(told.length === 0, 'changes had gone out before the kill');
}

const KILLS = 25;
/** RabbitMQ 4 drops a message after 20 deliveries unless a policy says otherwise: ours does. */
const POLICY =
  '{"delivery-limit":1000000000,"dead-letter-strategy":"at-least-once","overflow":"reject-publish"}';

/** Without its database a worker takes all that it may hold, and can neither write nor settle it. */
export const KILLED_WITH_FULL_PREFETCH: FaultCase = {
  number: 5,
  fault: 'kill -9 worker 25 times with a full prefetch',
  did: `its database is held; kill -9 once it holds ${PREFETCH} messages, ${KILLS} times`,
  shape: { workers: 0 },
  run: async (trial) => {
    const { system } = trial;
    const pattern = `^${WRITER_QUEUE.replace('.', '\\.')}$`;
    await system.broker.ctl('set_policy', '--apply-to', 'queues', 'writer', pattern, POLICY);
    await trial.load();
    await fillQueue(trial, PREFETCH * 2);
    for (let kill = 1; kill <= KILLS; kill++) {
      await killWithFullPrefetch(trial);
      if (kill % 5 === 0) trial.say(`${kill} killed`);
    }
    await system.startWorker();
    await trial.mended();
  },
};

async function fillQueue(trial: Trial, messages: number): Promise<void> {
  const publisher = await trial.publisher();
  const people = await trial.people(50);
  const now = Date.now();
  const events = Array.from({ length: messages }, (_, at) => ({
    ...({ type: 'heartbeat', status: 'online', occurredAt: now - 10_000 + at } as const),
    userId: people[at % people.length]!.userId,
  }));
  await Promise.all(events.map((event) => publisher.publish(event)));
}

async function killWithFullPrefetch({ system }: Trial): Promise<void> {
  const settings = { MIGRATE_ON_START: 'false' };
  const worker = await system.startWorker({ ways: true, unready: true, settings });
  worker.ways!.database.hold();
  let most = 0;
  const taken = async () => {
    const queued = await system.queue.queued();
    most = Math.max(most, queued);
    // People go on speaking meanwhile: what comes in hides some of what goes out.
    return most - queued >= PREFETCH * 0.9;
  };
  await eventually(taken, { within: 30_000, every: 5 });
  await system.killWorker(worker);
}
