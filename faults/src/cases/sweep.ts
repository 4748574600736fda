import { setTimeout as wait } from 'node:timers/promises';
import { isSilent } from '@presence/domain';
import { eventually } from '@presence/test-services';
import type { Someone } from '../caller.js';
import type { FaultCase } from '../fault-case.js';
import type { Trial } from '../trial.js';

const OFFLINE_AFTER = 2_500;
const PEOPLE = 80;
const ROUNDS = 4;

/** People fall silent for about as long as they may, and speak again just as they are swept. */
export const SWEEP_RACE: FaultCase = {
  number: 24,
  fault: 'sweep races a fresh heartbeat',
  did: `${PEOPLE} people speak again just as they are swept, ${ROUNDS} times each`,
  // Silence is not told while as-of waits for an API that another case has killed.
  lane: 'silence',
  shape: { settings: { HEARTBEAT_INTERVAL: '1s', OFFLINE_AFTER: `${OFFLINE_AFTER}ms` } },
  run: async (trial) => {
    const people = await trial.people(PEOPLE);
    await Promise.all(people.map((who) => speakAtTheLastMoment(trial, who)));
    const expired = trial.system.listener.heard.filter(({ cause }) => cause === 'expired').length;
    trial.note(`${expired} of ${PEOPLE * ROUNDS} were swept before they spoke again`);
    trial.require(expired > 0, 'nobody was swept: there was no race');
    await comeBackAtOnce(trial, people);
  },
};

async function speakAtTheLastMoment(trial: Trial, who: Someone): Promise<void> {
  const { system, caller } = trial;
  for (let round = 0; round < ROUNDS; round++) {
    const api = system.addresses()[round % 2]!;
    await caller.heartbeat(api, who);
    // As-of is behind the clock by a second or so at the most, and a sweep comes every second.
    await wait(OFFLINE_AFTER + trial.random() * 2_000);
  }
}

/** All at once, and all are there: nobody whom as-of does not call silent is offline. */
async function comeBackAtOnce(trial: Trial, people: readonly Someone[]): Promise<void> {
  const { system, caller } = trial;
  const api = system.addresses()[0]!;
  const answers = await Promise.all(people.map((who) => caller.heartbeat(api, who)));
  const seen = new Map(people.map(({ userId }, at) => [userId, seenAt(answers[at]?.body)]));
  await eventually(async () => {
    const { asOf, rows } = await system.database.rows(people.map(({ userId }) => userId));
    for (const { userId, presence, shown } of rows.values()) {
      if (presence.lastSeen !== seen.get(userId)) throw new Error('A heartbeat is not there yet.');
      if (shown === 'online') continue;
      const silent = isSilent(presence.lastSeen, asOf, { offlineAfter: OFFLINE_AFTER });
      trial.require(silent, `user ${userId} is ${shown}, and has just spoken`);
    }
  });
}

function seenAt(body: { last_seen: string } | undefined): number {
  return Date.parse(body?.last_seen ?? '');
}
