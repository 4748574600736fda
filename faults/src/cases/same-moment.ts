import { eventually } from '@presence/test-services';
import type { FaultCase } from '../fault-case.js';
import type { ForeignEvent } from '../publisher.js';
import type { Row } from '../reckoning.js';

const PAIRS = 30;

/** Two people go through the same events, one in each order. */
export const SAME_MOMENT: FaultCase = {
  number: 23,
  fault: 'login and logout at the same millisecond, both orders',
  did: `${PAIRS} pairs of people, of one session, of two and of none; one order each`,
  short: true,
  run: async (trial) => {
    const { system } = trial;
    await trial.load();
    const publisher = await trial.publisher();
    const people = await trial.people(2 * PAIRS);
    await Promise.all(
      people.map(async ({ userId }, at) => {
        const events = sameMoment(userId, Math.floor(at / 2));
        const order = at % 2 === 0 ? events : [...events].reverse();
        for (const event of order) await publisher.publish(event);
      }),
    );
    const ids = people.map(({ userId }) => userId);
    const rows = await eventually(async () => {
      const found = (await system.database.rows(ids)).rows;
      const late = [...found.values()].filter(({ presence }) => !presence.explicit).length;
      if (late > 0) throw new Error(`${late} logouts are not in their rows.`);
      return found;
    });
    for (let pair = 0; pair < PAIRS; pair++) {
      const [one, other] = [0, 1].map((of) => rows.get(people[2 * pair + of]!.userId)!);
      trial.require(said(one!) === said(other!), `${said(one!)} and ${said(other!)}`);
      trial.require(one!.shown === 'offline', `a pair is ${one!.shown}`);
    }
  },
};

/** The sessions of login and logout: the same, two, or none. */
const SESSIONS: readonly (readonly [string?, string?])[] = [['a', 'a'], ['a', 'b'], []];

function sameMoment(userId: number, pair: number): ForeignEvent[] {
  const occurredAt = AT - pair;
  const [of, ended] = SESSIONS[pair % SESSIONS.length]!;
  const inSession = (sessionId?: string) => (sessionId === undefined ? {} : { sessionId });
  return [
    { type: 'login', userId, occurredAt, status: 'online', ...inSession(of) },
    { type: 'logout', userId, occurredAt, status: 'offline', ...inSession(ended) },
  ];
}

const AT = Date.now();

function said({ presence, shown, sessionEnded }: Row): string {
  const { lastSeen, explicit, status, sessionId } = presence;
  return JSON.stringify([lastSeen, explicit, status, sessionId, shown, sessionEnded]);
}
