import { randomUUID } from 'node:crypto';
import type { Progress, Ticker } from '@presence/domain';
import { encodeBatches } from '../wire/encode.js';
import { BATCH_KEY, EVENTS_EXCHANGE, PROGRESS_HEADER } from '../wire/names.js';
import { encodeProgress } from '../wire/progress-header.js';
import type { ConfirmedChannel } from './confirmed-channel.js';
import { properties } from './message-properties.js';

/** Puts word of progress on the queue: a batch without events. */
export class RabbitmqTicker implements Ticker {
  readonly #channel: ConfirmedChannel;

  constructor(channel: ConfirmedChannel) {
    this.#channel = channel;
  }

  async tick(progress: Progress): Promise<void> {
    const headers = { [PROGRESS_HEADER]: encodeProgress(progress) };
    await this.#channel.publishNow({
      exchange: EVENTS_EXCHANGE,
      routingKey: BATCH_KEY,
      body: encodeBatches([])[0]!.body,
      options: properties({ messageId: randomUUID(), headers }),
    });
  }
}
