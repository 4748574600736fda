import { setImmediate as nextTurn } from 'node:timers/promises';
import type { ChangePublisher, StatusChange } from '@presence/domain';
import { encodeChange } from '../wire/encode.js';
import { CHANGES_EXCHANGE } from '../wire/names.js';
import type { ConfirmedChannel, Outgoing } from './confirmed-channel.js';
import { properties } from './message-properties.js';

/** As many go out in one turn of the event loop: about 2 ms, in which no heartbeat is taken in. */
const SLICE = 100;

/** Announces changes to whoever has bound a queue; with nobody listening they go nowhere. */
export class RabbitmqChangePublisher implements ChangePublisher {
  readonly #channel: ConfirmedChannel;
  /** Settles when all that came before is handed over: changes go out in the order of the calls. */
  #before: Promise<unknown> = Promise.resolve();

  constructor(channel: ConfirmedChannel) {
    this.#channel = channel;
  }

  async publish(changes: readonly StatusChange[]): Promise<void> {
    const handedOver = this.#before.then(() => this.#handOver(changes));
    this.#before = handedOver.catch(() => {}); // It fails its own call, not those behind it.
    await Promise.all(await handedOver);
  }

  /** @returns a confirmation for each slice */
  async #handOver(changes: readonly StatusChange[]): Promise<Promise<void>[]> {
    const confirmations: Promise<void>[] = [];
    for (let start = 0; start < changes.length; start += SLICE) {
      if (start > 0) await nextTurn();
      const slice = changes.slice(start, start + SLICE).map(messageOf);
      const confirmation = this.#channel.publishAllNow(slice);
      confirmation.catch(() => {}); // Whoever called awaits it.
      confirmations.push(confirmation);
    }
    return confirmations;
  }
}

function messageOf(change: StatusChange): Outgoing {
  const { routingKey, messageId, body } = encodeChange(change);
  const options = properties({ messageId });
  return { exchange: CHANGES_EXCHANGE, routingKey, body, options, unheard: true };
}
