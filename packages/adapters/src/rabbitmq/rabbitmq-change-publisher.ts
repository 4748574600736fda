import type { ChangePublisher, StatusChange } from '@presence/domain';
import { encodeChange } from '../wire/encode.js';
import { CHANGES_EXCHANGE } from '../wire/names.js';
import type { ConfirmedChannel, Outgoing } from './confirmed-channel.js';
import { properties } from './message-properties.js';

/** Announces changes to whoever has bound a queue; with nobody listening they go nowhere. */
export class RabbitmqChangePublisher implements ChangePublisher {
  readonly #channel: ConfirmedChannel;

  constructor(channel: ConfirmedChannel) {
    this.#channel = channel;
  }

  publish(changes: readonly StatusChange[]): Promise<void> {
    return this.#channel.publishAllNow(changes.map(messageOf));
  }
}

function messageOf(change: StatusChange): Outgoing {
  const { routingKey, messageId, body } = encodeChange(change);
  const options = properties({ messageId });
  return { exchange: CHANGES_EXCHANGE, routingKey, body, options, unheard: true };
}
