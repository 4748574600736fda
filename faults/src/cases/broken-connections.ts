import { setTimeout as wait } from 'node:timers/promises';
import { eventually } from '@presence/test-services';
import type { Someone } from '../caller.js';
import type { FaultCase } from '../fault-case.js';
import { lockRows } from '../locked-rows.js';
import { metric } from '../metric.js';
import type { RunningApi } from '../system.js';
import type { Trial } from '../trial.js';

const ROUNDS = 2;
const AWAY = 6_000;
/** From `broker-connection.ts`, and some: a connection that has stood so long counts as a good one. */
const LASTING = 6_000;
/** Of two processes that lose one broker at once. */
const LEAST_APART = 50;
/** From `backoff.ts`: what the pauses grow to, and a second for the attempt. */
const LONGEST_PAUSE = 3_000;

/** Said to the broker in the name of each client: what it does then is what it does to clients. */
const MISUSES = {
  406: "{'basic.ack', 999999, false}",
  404: `{'queue.declare', 0, <<"nowhere">>, true, false, false, false, false, []}`,
} as const;

export const BROKEN_CONNECTIONS: FaultCase = {
  number: 11,
  fault: 'connection force-closed, channel closed (406, 404)',
  did: `each ${ROUNDS} times by the broker, at every process; two APIs refused for ${AWAY / 1_000} s`,
  shape: { apis: 1, workers: 2 },
  run: async (trial) => {
    const { system } = trial;
    const api = await system.startApi({ ways: true });
    const load = await trial.load();
    for (let round = 0; round < ROUNDS; round++) {
      const { served } = load;
      await sendAgain(trial, api, round % 2 === 0 ? 'toServer' : 'toClient');
      await reconnects(trial, api, /320/, () =>
        system.broker.ctl('close_all_connections', 'a case of faults'),
      );
      for (const [code, method] of Object.entries(MISUSES)) {
        const misuse = `[rabbit_channel:do(P, ${method}) || P <- rabbit_channel:list_local()].`;
        await reconnects(trial, api, new RegExp(code), () => system.broker.ctl('eval', misuse));
      }
      trial.require(load.served > served, 'nobody was served meanwhile');
    }
    await backsOff(trial, [api, await system.startApi({ ways: true })]);
    await trial.mended();
  },
};

/** Its log names the reason, and a new connection follows. */
async function reconnects(
  trial: Trial,
  { process, ways }: RunningApi,
  reason: RegExp,
  close: () => Promise<unknown>,
): Promise<void> {
  const [arrivals, written] = [ways!.broker.arrivals.length, process.output.length];
  await close();
  await eventually(() => reason.test(process.output.slice(written)), { within: 5_000 });
  await eventually(() => ways!.broker.arrivals.length > arrivals, { within: 5_000 });
  await trial.mended();
}

/** What has not arrived, and what has and was not confirmed: both go out on the new connection. */
async function sendAgain(
  trial: Trial,
  { url, api, ways }: RunningApi,
  held: 'toServer' | 'toClient',
): Promise<void> {
  const people = await trial.people(20);
  const before = await metric(api.opsUrl, 'presence_events_unconfirmed_total');
  ways!.broker.hold(held);
  const answers = await Promise.all(people.map((who) => trial.caller.heartbeat(url, who)));
  const recorded = answers.filter((answer) => answer?.code === 200).length;
  trial.require(recorded === people.length, `${recorded} heartbeats were answered 200`);
  await wait(100); // They are on their way: a batch is sent every 40 ms.
  ways!.broker.cut();
  ways!.broker.mend();
  await trial.mended();
  const again = (await metric(api.opsUrl, 'presence_events_unconfirmed_total')) - before;
  trial.require(again > 0, 'nothing was unconfirmed');
}

/** A broker that refuses is asked ever less often, and not by everybody at the same moments. */
async function backsOff(trial: Trial, apis: readonly RunningApi[]): Promise<void> {
  await wait(LASTING);
  const ways = apis.map(({ ways }) => ways!.broker);
  const known = ways.map(({ arrivals }) => arrivals.length);
  const began = performance.now();
  for (const way of ways) way.cut();
  await wait(AWAY);
  const attempts = ways.map(({ arrivals }, at) =>
    arrivals.slice(known[at]).map((arrival) => arrival - began),
  );
  for (const way of ways) way.mend();
  for (const arrivals of attempts) requireGrowing(trial, arrivals);
  const [one, other] = [attempts[0]!, attempts[1]!];
  const apart = one.slice(0, other.length).map((arrival, at) => Math.abs(arrival - other[at]!));
  const most = Math.max(...apart);
  trial.require(most >= LEAST_APART, `two processes asked within ${most.toFixed(0)} ms each time`);
}

function requireGrowing(trial: Trial, arrivals: readonly number[]): void {
  const pauses = arrivals.map((arrival, at) => arrival - (arrivals[at - 1] ?? 0));
  trial.note(`refused, it asks after ${pauses.map((pause) => pause.toFixed(0)).join(', ')} ms`);
  trial.require(pauses.length >= 4 && pauses.length <= 12, `it asks ${pauses.length} times`);
  const [first, last] = [pauses[0]!, pauses.at(-1)!];
  trial.require(last >= 4 * first, `the pause grew from ${first} ms to ${last} ms`);
  trial.require(Math.max(...pauses) <= LONGEST_PAUSE, 'it waits for too long');
}

/** Rows are locked, so that a worker still has deliveries of a connection that is gone. */
export const STALE_ACKNOWLEDGEMENT: FaultCase = {
  number: 12,
  fault: 'stale acknowledgement after a reconnect',
  did: 'its connection is cut while it holds deliveries; it settles both those and the new ones',
  short: true,
  shape: { workers: 0 },
  run: async (trial) => {
    const { system, caller } = trial;
    const worker = await system.startWorker({ ways: true });
    const { broker } = worker.ways!;
    await trial.load();
    await trial.mended();
    const people = await trial.people(20);
    const locker = await lockRows(system, people);
    const api = system.addresses()[0]!;
    // One after the other: a delivery each, whose tags are not one range.
    for (const who of people) await caller.heartbeat(api, who);
    await allAreDelivered(trial);
    broker.cut();
    broker.mend();
    await allAreDelivered(trial);
    await requireUntouched(trial, people);
    const connections = broker.arrivals.length;
    await locker.query('COMMIT');
    await locker.end();
    await trial.stopLoads();
    await system.idle(20_000);
    const renewed = broker.arrivals.length - connections;
    trial.require(renewed === 0, `it has connected anew ${renewed} times: was it told 406?`);
    await trial.mended();
  },
};

/** The one worker has all that is in the queue. */
async function allAreDelivered({ system }: Trial): Promise<void> {
  await eventually(
    async () => (await system.queue.consumers()) === 1 && (await system.queue.queued()) === 0,
  );
}

/** So it can have settled none of their events. */
async function requireUntouched(trial: Trial, people: readonly Someone[]): Promise<void> {
  const { rows } = await trial.system.database.rows(people.map(({ userId }) => userId));
  const seen = [...rows.values()].filter(({ presence }) => presence.lastSeen !== null);
  trial.require(seen.length === 0, `${seen.length} of the rows were not locked`);
}
