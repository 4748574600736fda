import { declaredPresence, type PresenceEvent } from '@presence/domain';
import { foldOf, randomLog, randomMessages, rowText } from '@presence/test-services/system';
import type { Someone } from '../caller.js';
import type { FaultCase } from '../fault-case.js';
import { metric } from '../metric.js';
import type { Trial } from '../trial.js';

const EVENTS = 100_000;
const PEOPLE = 300;
/** So many messages are on the way to the broker at once. */
const AT_ONCE = 500;
const DRAINED_WITHIN = 300_000;

/** Batches of different sizes, so that they are split at random. Silence would only blur it. */
const BATCHES = [
  { BATCH_MAX_USERS: '90', BATCH_MAX_WAIT: '20ms', BATCH_CONCURRENCY: '1' },
  { BATCH_MAX_USERS: '1000', BATCH_MAX_WAIT: '0ms', BATCH_CONCURRENCY: '4' },
  { BATCH_MAX_USERS: '7', BATCH_MAX_WAIT: '5ms', BATCH_CONCURRENCY: '3' },
  { BATCH_MAX_USERS: '300', BATCH_MAX_WAIT: '50ms', BATCH_CONCURRENCY: '2' },
];

export const SHUFFLED: FaultCase = {
  number: 21,
  fault: '100 k events shuffled, duplicated, split at random over four workers',
  did: 'a tenth of them twice, one by one and in arrays; few sessions and moments, so ties abound',
  // Rows are to show what their events say, however long it takes.
  shape: { workers: 0, settings: { OFFLINE_AFTER: '86400000ms' } },
  run: async (trial) => {
    const { system } = trial;
    await Promise.all(BATCHES.map((settings) => system.startWorker({ settings })));
    const people = await trial.people(PEOPLE);
    const seed = Math.floor(trial.random() * 2 ** 31);
    const log = randomLog({ size: EVENTS, users: PEOPLE, epoch: Date.now() - 60_000 }, seed);
    const theirs = log.map((event) => ({ ...event, userId: people[event.userId - 1]!.userId }));
    const began = performance.now();
    const messages = await publishAll(trial, theirs, seed);
    await system.idle(DRAINED_WITHIN);
    const took = (performance.now() - began) / 1_000;
    trial.note(`${EVENTS} events in ${messages} messages took ${took.toFixed(0)} s`);
    await requireShares(trial);
    await requireFold(trial, people, foldOf(log, PEOPLE));
  },
};

/** @returns how many messages that took */
async function publishAll(
  trial: Trial,
  log: readonly PresenceEvent[],
  seed: number,
): Promise<number> {
  const publisher = await trial.publisher();
  const messages = randomMessages(log, seed);
  let sent = 0;
  for (let from = 0; from < messages.length; from += AT_ONCE) {
    const some = messages.slice(from, from + AT_ONCE);
    const held = await Promise.all(some.map(({ key, body }) => publisher.send(key, body)));
    sent += held.filter(Boolean).length;
  }
  trial.require(sent === messages.length, `${sent} of ${messages.length} messages were confirmed`);
  const now = Date.now();
  for (const { userId, type, status, sessionId, occurredAt } of log) {
    trial.ledger.write({
      ...{ userId, type, status, sessionId, earliest: occurredAt, latest: occurredAt },
      ...{ source: 'broker', code: 0, fate: 'certain', sentAt: now, answeredAt: now },
    });
  }
  return sent;
}

/** Each worker has written some of it. */
async function requireShares(trial: Trial): Promise<void> {
  const counts = trial.system.workers.map(({ opsUrl }) =>
    metric(opsUrl, 'presence_events_written_total'),
  );
  const written = await Promise.all(counts);
  trial.note(`the workers wrote ${written.join(', ')} events`);
  trial.require(Math.min(...written) > EVENTS / 100, 'one of the workers had nothing to do');
}

/** The domain's own fold, of the log as it was before it was shuffled. */
async function requireFold(
  trial: Trial,
  people: readonly Someone[],
  fold: ReadonlyMap<number, string>,
): Promise<void> {
  const { rows } = await trial.system.database.rows(people.map(({ userId }) => userId));
  const others = people.filter(({ userId }, at) => {
    const { presence } = rows.get(userId)!;
    return rowText({ ...presence, status: declaredPresence(presence) }) !== fold.get(at + 1);
  });
  trial.require(others.length === 0, `${others.length} of ${PEOPLE} rows are not the fold`);
}
