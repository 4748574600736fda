import type { Channel, ChannelModel } from 'amqplib';
import { CHANGES_EXCHANGE, DEAD_LETTERS, EVENTS_EXCHANGE, WRITER_QUEUE } from '../wire/names.js';

/** `check`: for users that may not configure; everything must be there already. */
export type Topology = 'declare' | 'check';

/** Names are missing, and we were told not to declare them. Have them declared; we try again. */
export class TopologyMissing extends Error {
  override readonly name = 'TopologyMissing';
  constructor(readonly missing: readonly string[]) {
    super(`The broker lacks ${missing.join(', ')}, and AMQP_TOPOLOGY=check forbids to declare it.`);
  }
}

/** @param queue where workers take events from */
export async function ensureTopology(
  model: ChannelModel,
  topology: Topology,
  queue: string = WRITER_QUEUE,
): Promise<void> {
  await (topology === 'declare' ? declare(model, queue) : check(model, queue));
}

/**
 * Queues are declared with type and dead-letter exchange only. Whatever else an operator may want
 * to change on a running system is a policy: a queue that is declared differently is refused.
 */
async function declare(model: ChannelModel, queue: string): Promise<void> {
  const channel = await model.createChannel();
  // Whoever awaits an answer is told of the error, too.
  channel.on('error', () => {});
  const quorum = { durable: true, arguments: { 'x-queue-type': 'quorum' } };
  await channel.assertExchange(EVENTS_EXCHANGE, 'topic', { durable: true });
  await channel.assertExchange(CHANGES_EXCHANGE, 'topic', { durable: true });
  await channel.assertExchange(DEAD_LETTERS, 'fanout', { durable: true });
  await channel.assertQueue(DEAD_LETTERS, quorum);
  await channel.bindQueue(DEAD_LETTERS, DEAD_LETTERS, '');
  await channel.assertQueue(queue, { ...quorum, deadLetterExchange: DEAD_LETTERS });
  await channel.bindQueue(queue, EVENTS_EXCHANGE, 'presence.#');
  await channel.close();
}

type Look = (channel: Channel) => Promise<unknown>;

function partsOf(queue: string): [name: string, isThere: Look][] {
  const exchanges = [EVENTS_EXCHANGE, CHANGES_EXCHANGE, DEAD_LETTERS];
  const queues = [queue, DEAD_LETTERS];
  return [
    ...exchanges.map((name): [string, Look] => [
      `exchange ${name}`,
      (channel) => channel.checkExchange(name),
    ]),
    ...queues.map((name): [string, Look] => [
      `queue ${name}`,
      (channel) => channel.checkQueue(name),
    ]),
  ];
}

async function check(model: ChannelModel, queue: string): Promise<void> {
  const missing: string[] = [];
  for (const [name, isThere] of partsOf(queue)) {
    if (!(await checkOne(model, isThere))) missing.push(name);
  }
  if (missing.length > 0) throw new TopologyMissing(missing);
}

const NOT_FOUND = 404;

/** On a channel of its own: the broker closes one that asks for what is not there. */
async function checkOne(model: ChannelModel, isThere: Look): Promise<boolean> {
  const channel = await model.createChannel();
  channel.on('error', () => {});
  try {
    await isThere(channel);
    await channel.close();
    return true;
  } catch (error) {
    if ((error as { code?: unknown }).code === NOT_FOUND) return false;
    throw error;
  }
}
