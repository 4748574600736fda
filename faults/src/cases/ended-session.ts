import { eventually } from '@presence/test-services';
import type { Someone } from '../caller.js';
import type { FaultCase } from '../fault-case.js';
import type { ForeignEvent, Publisher } from '../publisher.js';
import type { Trial } from '../trial.js';

/** How far ahead the clock of the other service is: within MAX_CLOCK_SKEW. */
const SKEW = 5_000;

/** Heartbeats of a session, and the logout that ends it, come in every order and by both roads. */
export const LATE_HEARTBEAT: FaultCase = {
  number: 22,
  fault: 'heartbeat of an ended session: late, or by a skewed clock',
  did: 'login, heartbeats and logout in all 24 orders; logouts at an API between them',
  short: true,
  run: async (trial) => {
    await trial.load();
    const publisher = await trial.publisher();
    const published = await trial.people(24);
    const atApi = await trial.people(24);
    await Promise.all([
      ...published.map((who, at) => publishAll(publisher, permutation(eventsOf(who), at))),
      ...atApi.map((who, at) => logOutBetween(trial, publisher, who, at)),
    ]);
    const ids = [...published, ...atApi].map(({ userId }) => userId);
    await eventually(async () => {
      const { rows } = await trial.system.database.rows(ids);
      const online = [...rows.values()].filter(({ shown }) => shown !== 'offline');
      if (online.length > 0) throw new Error(`${online.length} are not offline.`);
    });
  },
};

/** What one session says: one heartbeat is late, one stamped after the logout. */
function eventsOf({ userId, sessionId }: Someone): ForeignEvent[] {
  const now = Date.now();
  const of = (type: ForeignEvent['type'], occurredAt: number) => {
    const status = type === 'logout' ? 'offline' : 'online';
    return { type, userId, occurredAt, status, sessionId } as const;
  };
  return [
    of('login', now - 2_000),
    of('heartbeat', now - 1_000),
    of('logout', now),
    of('heartbeat', now + SKEW),
  ];
}

async function publishAll(publisher: Publisher, events: readonly ForeignEvent[]): Promise<void> {
  for (const event of events) await publisher.publish(event);
}

/** The logout is a request; what the other service says comes before it, after it, or both. */
async function logOutBetween(
  trial: Trial,
  publisher: Publisher,
  who: Someone,
  order: number,
): Promise<void> {
  const said = eventsOf(who).filter(({ type }) => type === 'heartbeat');
  const before = permutation(said, order % 2);
  const split = order % 3;
  const api = trial.system.addresses()[order % 2]!;
  await trial.caller.heartbeat(api, who);
  await publishAll(publisher, before.slice(0, split));
  const answer = await trial.caller.logout(api, who);
  trial.require(answer?.body?.online_status === 'offline', `a logout: ${answer?.code}`);
  await publishAll(publisher, before.slice(split));
}

/** The `which`-th order of the items, of all that there are. */
function permutation<T>(items: readonly T[], which: number): T[] {
  const left = [...items];
  const order: T[] = [];
  for (let at = which; left.length > 0; at = Math.floor(at / (left.length + 1))) {
    order.push(...left.splice(at % left.length, 1));
  }
  return order;
}
