import { WRITER_QUEUE } from '@presence/adapters/wire';
import { type Channel, connect } from 'amqplib';
import { drain, publishBatches } from '../backlog.js';
import { shuffled } from '../crowd.js';
import type { Measurement } from '../measurement.js';
import { median, spreadOf } from '../statistics.js';

const EVENTS_EXCHANGE = 'presence.events';
const HASH_EXCHANGE = 'presence.hash';
const SECOND_QUEUE = `${WRITER_QUEUE}.2`;
const CHECK = { AMQP_TOPOLOGY: 'check' };

export const QUEUES: Measurement = {
  name: 'queues',
  about: 'two workers on two queues by consistent hash, beside two workers on one queue',
  run: async ({ stage, quick, say }) => {
    const [rounds, users] = quick ? [1, 100_000] : [5, 500_000];
    await stage.addUsers(users, 'online');
    await (await stage.system.startWorker()).end('SIGTERM');
    await stage.broker.enable('rabbitmq_consistent_hash_exchange');
    const connection = await connect(stage.broker.url);
    const channel = await connection.createChannel();
    await declare(channel);
    const one: number[] = [];
    const two: number[] = [];
    for (let round = 1; round <= rounds; round++) {
      await publishBatches(stage, shuffled(users));
      one.push(await drain(stage, users, [CHECK, CHECK]));
      await split(channel);
      await publishBatches(stage, shuffled(users));
      two.push(await drain(stage, users, [CHECK, { ...CHECK, AMQP_QUEUE: SECOND_QUEUE }]));
      await unite(channel);
      const [ofOne, ofTwo] = [one, two].map((rates) => Math.round(rates.at(-1)!));
      say(`round ${round} of ${rounds}: one queue ${ofOne}/s, two ${ofTwo}/s`);
    }
    await connection.close();
    const spread = spreadOf(two.map((rate, round) => rate / one[round]!));
    const note = `${Math.round(median(two))}/s beside ${Math.round(median(one))}/s`;
    const what = 'two queues ÷ one, two workers each';
    return [{ what, value: spread.median, unit: 'ratio', spread, note }];
  },
};

/** By message, not by user: a join does not care in whose hands the events of one user are. */
async function declare(channel: Channel): Promise<void> {
  const hash = { durable: true, arguments: { 'hash-property': 'message_id' } };
  await channel.assertExchange(HASH_EXCHANGE, 'x-consistent-hash', hash);
  const quorum = { durable: true, arguments: { 'x-queue-type': 'quorum' } };
  await channel.assertQueue(SECOND_QUEUE, { ...quorum, deadLetterExchange: 'presence.dead' });
  for (const queue of [WRITER_QUEUE, SECOND_QUEUE]) {
    await channel.bindQueue(queue, HASH_EXCHANGE, '1');
  }
}

async function split(channel: Channel): Promise<void> {
  await channel.bindExchange(HASH_EXCHANGE, EVENTS_EXCHANGE, 'presence.#');
  await channel.unbindQueue(WRITER_QUEUE, EVENTS_EXCHANGE, 'presence.#');
}

async function unite(channel: Channel): Promise<void> {
  await channel.bindQueue(WRITER_QUEUE, EVENTS_EXCHANGE, 'presence.#');
  await channel.unbindExchange(HASH_EXCHANGE, EVENTS_EXCHANGE, 'presence.#');
}
