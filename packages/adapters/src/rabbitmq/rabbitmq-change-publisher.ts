import type { ChangePublisher, StatusChange } from '@presence/domain';
import { encodeChange } from '../wire/encode.js';
import { CHANGES_EXCHANGE } from '../wire/names.js';
import type { ConfirmedChannel } from './confirmed-channel.js';
import { properties } from './message-properties.js';

/** Announces changes to whoever has bound a queue; with nobody listening they go nowhere. */
export class RabbitmqChangePublisher implements ChangePublisher {
  readonly #channel: ConfirmedChannel;

  constructor(channel: ConfirmedChannel) {
    this.#channel = channel;
  }

  async publish(changes: readonly StatusChange[]): Promise<void> {
    await Promise.all(changes.map((change) => this.#publishOne(change)));
  }

  #publishOne(change: StatusChange): Promise<void> {
    const { routingKey, messageId, body } = encodeChange(change);
    const options = properties({ messageId });
    const exchange = CHANGES_EXCHANGE;
    return this.#channel.publishNow({ exchange, routingKey, body, options, unheard: true });
  }
}
