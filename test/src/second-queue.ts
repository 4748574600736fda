import type { Channel } from 'amqplib';

const QUEUE = 'presence.writer';
const EVENTS_EXCHANGE = 'presence.events';
const HASH_EXCHANGE = 'presence.hash';
export const SECOND_QUEUE = `${QUEUE}.2`;

/** What docs/production.md has declared for two queues; nothing goes there yet. */
export async function declareSecondQueue(channel: Channel): Promise<void> {
  const hash = { durable: true, arguments: { 'hash-property': 'message_id' } };
  await channel.assertExchange(HASH_EXCHANGE, 'x-consistent-hash', hash);
  const quorum = { durable: true, arguments: { 'x-queue-type': 'quorum' } };
  await channel.assertQueue(SECOND_QUEUE, { ...quorum, deadLetterExchange: 'presence.dead' });
  for (const queue of [QUEUE, SECOND_QUEUE]) await channel.bindQueue(queue, HASH_EXCHANGE, '1');
}

/** By message, not by user: a join does not care in whose hands the events of one user are. */
export async function splitQueue(channel: Channel): Promise<void> {
  await channel.bindExchange(HASH_EXCHANGE, EVENTS_EXCHANGE, 'presence.#');
  await channel.unbindQueue(QUEUE, EVENTS_EXCHANGE, 'presence.#');
}

export async function uniteQueue(channel: Channel): Promise<void> {
  await channel.bindQueue(QUEUE, EVENTS_EXCHANGE, 'presence.#');
  await channel.unbindExchange(HASH_EXCHANGE, EVENTS_EXCHANGE, 'presence.#');
}
