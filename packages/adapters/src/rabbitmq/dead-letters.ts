import { randomUUID } from 'node:crypto';
import { setTimeout as delay } from 'node:timers/promises';
import type { Duration, Refusal } from '@presence/domain';
import { DEAD_LETTERS, REASON_HEADER } from '../wire/names.js';
import type { ConfirmedChannel } from './confirmed-channel.js';
import { properties } from './message-properties.js';

const RETRY_AFTER: Duration = 250;

/** What a source publishes: refused messages, and answers to whoever awaits one. */
export class DeadLetters {
  readonly #channel: ConfirmedChannel;

  constructor(channel: ConfirmedChannel) {
    this.#channel = channel;
  }

  /**
   * Tries until the broker has confirmed the dead letter.
   * @returns false where `abandoned` became true first.
   */
  async publish({ reason, body }: Refusal, abandoned: () => boolean): Promise<boolean> {
    const headers = { [REASON_HEADER]: reason };
    for (;;) {
      const options = properties({ messageId: randomUUID(), headers });
      const letter = { exchange: DEAD_LETTERS, routingKey: '', body: Buffer.from(body), options };
      try {
        await this.#channel.publish(letter);
        return true;
      } catch {
        // Not confirmed, for whatever reason: the original is still there, and so are we.
        if (abandoned()) return false;
        await delay(RETRY_AFTER);
      }
    }
  }

  /** Without a promise: whoever waits is told `pending` where the answer gets lost. */
  reply(replyTo: string, correlationId: unknown, body: Buffer): void {
    const options = properties({ correlationId: String(correlationId) });
    this.#channel.send({ exchange: '', routingKey: replyTo, body, options });
  }
}
