import type { DeadLetterPublisher, RefusedEvent } from '@presence/domain';
import { encodeRefused } from '../wire/encode.js';
import type { ConfirmedChannel } from './confirmed-channel.js';
import { deadLetter } from './dead-letter-message.js';

/** Puts events that were taken off the queue, and refused later, where the others are. */
export class RabbitmqDeadLetterPublisher implements DeadLetterPublisher {
  readonly #channel: Pick<ConfirmedChannel, 'publishAllNow'>;

  constructor(channel: Pick<ConfirmedChannel, 'publishAllNow'>) {
    this.#channel = channel;
  }

  publish(refused: readonly RefusedEvent[]): Promise<void> {
    return this.#channel.publishAllNow(refused.map((one) => deadLetter(encodeRefused(one))));
  }
}
