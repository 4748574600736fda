import { setTimeout as delay } from 'node:timers/promises';
import type { Duration, Millis, Refusal } from '@presence/domain';
import type { ConfirmedChannel, Outgoing } from './confirmed-channel.js';
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
   * Tries until the broker has confirmed each of the dead letters of one message; under an alarm it
   * waits for its end.
   * @param occurredAt when those happened that do not say so themselves
   * @returns how many: not all where `abandoned` became true first, or time has run out
   */
  async publish(
    refusals: readonly Refusal[],
    occurredAt: Millis,
    abandoned: () => boolean,
  ): Promise<number> {
    const until = performance.now() + this.#holdAtMost;
    const givenUp = () => abandoned() || performance.now() >= until;
    for (const [published, refusal] of refusals.entries()) {
      if (!(await this.#insist(deadLetter(refusal, occurredAt), givenUp))) return published;
    }
    return refusals.length;
  }

  async #insist(letter: Outgoing, givenUp: () => boolean): Promise<boolean> {
    while (!givenUp()) {
      try {
        await this.#channel.publishNow(letter);
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
