import { declareSecondQueue, SECOND_QUEUE, splitQueue, uniteQueue } from '@presence/test-services';
import { connect } from 'amqplib';
import { drain, publishBatches } from '../backlog.js';
import { shuffled } from '../crowd.js';
import type { Measurement } from '../measurement.js';
import { median, spreadOf } from '../statistics.js';

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
    await declareSecondQueue(channel);
    const one: number[] = [];
    const two: number[] = [];
    for (let round = 1; round <= rounds; round++) {
      await publishBatches(stage, shuffled(users));
      one.push(await drain(stage, users, [CHECK, CHECK]));
      await splitQueue(channel);
      await publishBatches(stage, shuffled(users));
      two.push(await drain(stage, users, [CHECK, { ...CHECK, AMQP_QUEUE: SECOND_QUEUE }]));
      await uniteQueue(channel);
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
