import { randomUUID } from 'node:crypto';
import type { Refusal } from '@presence/domain';
import { DEAD_LETTERS, REASON_HEADER } from '../wire/names.js';
import type { Outgoing } from './confirmed-channel.js';
import { properties } from './message-properties.js';

/** What is refused as the message that says so. */
export function deadLetter({ reason, body }: Refusal): Outgoing {
  const options = properties({ messageId: randomUUID(), headers: { [REASON_HEADER]: reason } });
  return { exchange: DEAD_LETTERS, routingKey: '', body: Buffer.from(body), options };
}
