import { randomUUID } from 'node:crypto';
import { LATEST, type Millis, type Refusal } from '@presence/domain';
import { DEAD_LETTERS, OCCURRED_HEADER, REASON_HEADER } from '../wire/names.js';
import { formatTime } from '../wire/time-text.js';
import type { Outgoing } from './confirmed-channel.js';
import { properties } from './message-properties.js';

/**
 * What is refused as the message that says so.
 * @param occurredAt when it happened, where it does not say so itself: its message goes, and knew. In
 *   {@link LATEST} at the latest: what is dated by another unit than AMQP's seconds is still to come
 */
export function deadLetter({ reason, body }: Refusal, occurredAt?: Millis): Outgoing {
  const dated =
    occurredAt === undefined ? {} : { [OCCURRED_HEADER]: formatTime(Math.min(occurredAt, LATEST)) };
  const headers = { [REASON_HEADER]: reason, ...dated };
  const options = properties({ messageId: randomUUID(), headers });
  const bytes = Buffer.from(body.buffer, body.byteOffset, body.byteLength); // A copy may be of megabytes.
  return { exchange: DEAD_LETTERS, routingKey: '', body: bytes, options };
}
