import { setTimeout as delay } from 'node:timers/promises';
import type { Duration, Millis, Refusal } from '@presence/domain';
import type { ConfirmedChannel } from './confirmed-channel.js';
import { deadLetter } from './dead-letter-message.js';
import { properties } from './message-properties.js';

const RETRY_AFTER: Duration = 250;
/** A third of the time after which RabbitMQ takes the channel from a consumer that holds on. */
const HOLD_AT_MOST: Duration = 600_000;

/** What a source publishes: refused messages, and answers to whoever awaits one. */
export class DeadLetters {
  readonly #channel: Pick<ConfirmedChannel, 'publishNow' | 'send'>;
  readonly #holdAtMost: Duration;

  constructor(
    channel: Pick<ConfirmedChannel, 'publishNow' | 'send'>,
    holdAtMost: Duration = HOLD_AT_MOST,
  ) {
    this.#channel = channel;
    this.#holdAtMost = holdAtMost;
  }

  /**
   * Tries until the broker has confirmed the dead letter; under an alarm it waits for its end.
   * @param occurredAt when it happened, where it does not say so itself
   * @returns false where `abandoned` became true first, or time has run out.
   */
  async publish(refusal: Refusal, occurredAt: Millis, abandoned: () => boolean): Promise<boolean> {
    const until = performance.now() + this.#holdAtMost;
    while (!abandoned() && performance.now() < until) {
      try {
        await this.#channel.publishNow(deadLetter(refusal, occurredAt));
        return true;
      } catch {
        // Not confirmed, for whatever reason: the original is still there, and so are we.
        await delay(RETRY_AFTER);
      }
    }
    return false;
  }

  /**
   * Without a promise: whoever waits is told `pending` where the answer gets lost. None is sent to
   * where it cannot go: amqplib would count it, not send it, and take each later confirmation for
   * that of the message before.
   */
  reply(replyTo: string, correlationId: unknown, body: Buffer): void {
    const correlation = correlationId === undefined ? {} : { correlationId: String(correlationId) };
    if ([replyTo, ...Object.values(correlation)].some(isTooLong)) return;
    this.#channel.send({
      exchange: '',
      routingKey: replyTo,
      body,
      options: properties(correlation),
    });
  }
}

/** For a short string of AMQP, of 255 bytes. What came as something else than UTF-8 has grown since. */
function isTooLong(text: string): boolean {
  return Buffer.byteLength(text) > 255;
}
