import {
  CHANGES_EXCHANGE,
  DEAD_LETTERS,
  EVENTS_EXCHANGE,
  WRITER_QUEUE,
} from '@presence/adapters/wire';
import { eventually } from '@presence/test-services';
import { type Channel, connect } from 'amqplib';
import type { FaultCase } from '../fault-case.js';
import { metric } from '../metric.js';
import type { Trial } from '../trial.js';

const ROUNDS = 3;
/** More than anybody will ever add: the letter is in the dead-letter queue, wherever that went. */
const NOBODY = 9_000_000_000;
const DECLARED_WITHIN = 10_000;

/**
 * What lies in a queue goes with it, whoever deletes it. Here workers keep up, so that all that
 * was confirmed is in their hands already; what comes meanwhile is returned.
 */
export const DELETED: FaultCase = {
  number: 10,
  fault: 'queue or exchange deleted while running',
  did: `the queue, then the exchange of events, ${ROUNDS} times; those of dead letters; of changes`,
  run: async (trial) => {
    await trial.load();
    for (let round = 0; round < ROUNDS; round++) {
      await lose(trial, (channel) => channel.deleteQueue(WRITER_QUEUE));
      await lose(trial, (channel) => channel.deleteExchange(EVENTS_EXCHANGE));
    }
    await loseLetters(trial, (channel) => channel.deleteQueue(DEAD_LETTERS));
    await loseLetters(trial, (channel) => channel.deleteExchange(DEAD_LETTERS));
    await trial.mended();
    // Nobody hears what is announced between the birth of an exchange and their binding to it.
    await trial.checkpoint();
    trial.hearsChanges = false;
    await trial.load();
    await manage(trial, (channel) => channel.deleteExchange(CHANGES_EXCHANGE));
    await declaredAgain(trial);
    await trial.mended();
  },
};

/** What was on its way is not confirmed, or comes back, and does not count as sent. */
async function lose(trial: Trial, remove: (channel: Channel) => Promise<unknown>): Promise<void> {
  const before = await refused(trial);
  await manage(trial, remove);
  await eventually(async () => (await refused(trial)) > before, { within: DECLARED_WITHIN });
  await declaredAgain(trial);
  await trial.mended();
}

/** A letter that no queue takes is not a letter yet. */
async function loseLetters(
  trial: Trial,
  remove: (channel: Channel) => Promise<unknown>,
): Promise<void> {
  await manage(trial, remove);
  const publisher = await trial.publisher();
  const event = { type: 'activity', user_id: NOBODY, occurred_at: new Date().toISOString() };
  const body = Buffer.from(JSON.stringify(event));
  await publisher.publishRefused('presence.activity', body, 'unknown_user');
  await declaredAgain(trial);
}

/** How many events the broker has not taken: the sum over all APIs. */
async function refused({ system }: Trial): Promise<number> {
  const counts = system.apis.map(({ api }) =>
    metric(api.opsUrl, 'presence_events_unconfirmed_total'),
  );
  return (await Promise.all(counts)).reduce((sum, count) => sum + count, 0);
}

async function declaredAgain(trial: Trial): Promise<void> {
  const began = performance.now();
  await eventually(() => manage(trial, assertThere), { within: DECLARED_WITHIN, every: 100 });
  trial.say(`all is there after ${(performance.now() - began).toFixed(0)} ms`);
}

async function assertThere(channel: Channel): Promise<void> {
  for (const queue of [WRITER_QUEUE, DEAD_LETTERS]) await channel.checkQueue(queue);
  for (const exchange of [EVENTS_EXCHANGE, CHANGES_EXCHANGE, DEAD_LETTERS]) {
    await channel.checkExchange(exchange);
  }
}

/** As an operator does it: on a connection of their own. */
async function manage(
  { system }: Trial,
  work: (channel: Channel) => Promise<unknown>,
): Promise<void> {
  const model = await connect(system.broker.url);
  model.on('error', () => {}); // Whoever awaits an answer is told.
  try {
    const channel = await model.createChannel();
    channel.on('error', () => {}); // The same.
    await work(channel);
  } finally {
    await model.close().catch(() => {}); // What is missing has closed it.
  }
}
