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

export async function ensureTopology(model: ChannelModel, topology: Topology): Promise<void> {
  await (topology === 'declare' ? declare(model) : check(model));
}

/**
 * Queues are declared with type and dead-letter exchange only. Whatever else an operator may want
 * to change on a running system is a policy: a queue that is declared differently is refused.
 */
async function declare(model: ChannelModel): Promise<void> {
  const channel = await model.createChannel();
  // Whoever awaits an answer is told of the error, too.
  channel.on('error', () => {});
  const quorum = { durable: true, arguments: { 'x-queue-type': 'quorum' } };
  await channel.assertExchange(EVENTS_EXCHANGE, 'topic', { durable: true });
  await channel.assertExchange(CHANGES_EXCHANGE, 'topic', { durable: true });
  await channel.assertExchange(DEAD_LETTERS, 'fanout', { durable: true });
  await channel.assertQueue(DEAD_LETTERS, quorum);
  await channel.bindQueue(DEAD_LETTERS, DEAD_LETTERS, '');
  await channel.assertQueue(WRITER_QUEUE, { ...quorum, deadLetterExchange: DEAD_LETTERS });
  await channel.bindQueue(WRITER_QUEUE, EVENTS_EXCHANGE, 'presence.#');
  await channel.close();
}

const PARTS: readonly [string, (channel: Channel) => Promise<unknown>][] = [
  ...[EVENTS_EXCHANGE, CHANGES_EXCHANGE, DEAD_LETTERS].map(
    (name): [string, (channel: Channel) => Promise<unknown>] => [
      `exchange ${name}`,
      (channel) => channel.checkExchange(name),
    ],
  ),
  ...[WRITER_QUEUE, DEAD_LETTERS].map((name): [string, (channel: Channel) => Promise<unknown>] => [
    `queue ${name}`,
    (channel) => channel.checkQueue(name),
  ]),
];

async function check(model: ChannelModel): Promise<void> {
  const missing: string[] = [];
  for (const [name, isThere] of PARTS) {
    if (!(await checkOne(model, isThere))) missing.push(name);
  }
  if (missing.length > 0) throw new TopologyMissing(missing);
}

const NOT_FOUND = 404;

/** On a channel of its own: the broker closes one that asks for what is not there. */
async function checkOne(
  model: ChannelModel,
  isThere: (channel: Channel) => Promise<unknown>,
): Promise<boolean> {
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
