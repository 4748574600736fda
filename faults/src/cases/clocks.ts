import { eventKey } from '@presence/adapters/wire';
import { eventually } from '@presence/test-services';
import type { Someone } from '../caller.js';
import type { FaultCase } from '../fault-case.js';
import { wireForm } from '../publisher.js';
import type { Trial } from '../trial.js';

const HOUR = 3_600_000;
const STEP = 10_000;
const OFFLINE_AFTER = 12_000;
const PEOPLE = 20;

/** At SIGUSR2 the wall clock of the process steps; the monotonic one does not. */
function steppingClock(by: number): Readonly<Record<string, string>> {
  const script = `const real = Date.now; let offset = 0; Date.now = () => real() + offset;
    process.on('SIGUSR2', () => { offset = ${by}; });`;
  return { NODE_OPTIONS: `--import=data:text/javascript,${encodeURIComponent(script)}` };
}

export const CLOCKS: FaultCase = {
  number: 25,
  fault: 'event an hour ahead; system clock steps ±10 s',
  did: `an event of the future; an API's clock steps ${STEP / 1_000} s ahead, another's back`,
  // Silence is not told while as-of waits for an API that another case has killed.
  lane: 'silence',
  shape: { apis: 1, settings: { HEARTBEAT_INTERVAL: '3s', OFFLINE_AFTER: `${OFFLINE_AFTER}ms` } },
  run: async (trial) => {
    const { system } = trial;
    await refuseTheFuture(trial);
    for (const by of [STEP, -STEP]) {
      const api = await system.startApi({ settings: steppingClock(by) });
      const people = await trial.people(PEOPLE);
      await beatAll(trial, api.url, people);
      api.process.signal('SIGUSR2');
      await eventually(() => stepped(trial, api.url, by));
      await beatAll(trial, api.url, people);
      const right = system.apis[0]!.url;
      const answers = await Promise.all(
        people.slice(0, 5).map((who) => trial.caller.logout(right, who)),
      );
      const offline = answers.filter((answer) => answer?.body.online_status === 'offline');
      trial.require(offline.length === 5, `${5 - offline.length} logouts did not show offline`);
      await expireAll(trial, people);
    }
  },
};

async function refuseTheFuture(trial: Trial): Promise<void> {
  const publisher = await trial.publisher();
  const people = await trial.people(PEOPLE);
  for (const { userId } of people) {
    const event = {
      type: 'heartbeat',
      status: 'online',
      userId,
      occurredAt: Date.now() + HOUR,
    } as const;
    const body = Buffer.from(JSON.stringify(wireForm(event)));
    await publisher.publishRefused(eventKey(event.type), body, 'future_timestamp');
  }
}

async function beatAll(trial: Trial, api: string, people: readonly Someone[]): Promise<void> {
  const answers = await Promise.all(people.map((who) => trial.caller.heartbeat(api, who)));
  const taken = answers.filter((answer) => answer?.code === 200).length;
  trial.require(taken === people.length, `${people.length - taken} heartbeats were not taken`);
}

async function stepped(trial: Trial, api: string, by: number): Promise<boolean> {
  const [probe] = await trial.people(1);
  const answer = await trial.caller.heartbeat(api, probe!);
  const off = Date.parse(answer?.body.last_seen) - Date.now();
  return Math.abs(off - by) < STEP / 2;
}

/** Whoever spoke by that clock and left is offline, at the latest once that time has come. */
async function expireAll(trial: Trial, people: readonly Someone[]): Promise<void> {
  const ids = people.map(({ userId }) => userId);
  await eventually(
    async () => {
      const { rows } = await trial.system.database.rows(ids);
      const pinned = [...rows.values()].filter(({ shown }) => shown !== 'offline').length;
      if (pinned > 0) throw new Error(`${pinned} are pinned online.`);
    },
    { within: OFFLINE_AFTER + 2 * STEP + 20_000, every: 250 },
  );
}
