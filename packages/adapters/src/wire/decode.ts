import { isUtf8 } from 'node:buffer';
import {
  type Delivery,
  type Duration,
  isTransition,
  type Millis,
  type RefusalReason,
  type ReportedEvent,
} from '@presence/domain';
import { decodeEvent } from './event-decoder.js';
import { elementTexts } from './json-elements.js';
import { BATCH_KEY, eventKey, MAX_BATCH_EVENTS, MAX_BODY_BYTES } from './names.js';
import { decodeProgress } from './progress-header.js';

/** When a message came. */
export interface Receipt {
  /** What it happened at where neither it nor its event says so. */
  readonly receivedAt: Millis;
  /** By the latest clock that is known: what is ahead of it is still to come. Default `receivedAt`. */
  readonly latest?: Millis;
}

/** A message as any queue hands it over. */
export interface IncomingMessage extends Receipt {
  readonly routingKey: string;
  readonly body: Buffer;
  /** AMQP's `timestamp`, in milliseconds. */
  readonly timestamp?: Millis | undefined;
  /** What the header `x-presence-progress` holds. */
  readonly progress?: unknown;
  /** Whether it says where to reply to. */
  readonly awaited?: boolean;
}

export interface DecodeRules {
  /** How far ahead of {@link Receipt.latest} an event may be. */
  readonly maxClockSkew: Duration;
}

/**
 * Reads a message. Never throws: what cannot be accepted is in `refusals`, one event at a time
 * wherever the body is an array.
 */
export function decode(message: IncomingMessage, rules: DecodeRules): Delivery {
  const isBatch = message.routingKey === BATCH_KEY;
  const progress = isBatch ? decodeProgress(message.progress) : null;
  const urgent = !isBatch && message.awaited === true;
  return { ...decodeBody(message, rules), progress, urgent };
}

type Decoded = Pick<Delivery, 'events' | 'refusals' | 'refuse'>;

function decodeBody(message: IncomingMessage, rules: DecodeRules): Decoded {
  const { body } = message;
  if (body.length > MAX_BODY_BYTES) return refusedWhole(body, 'too_large');
  const text = isUtf8(body) ? body.toString('utf8') : undefined;
  const json = text === undefined ? undefined : parseJson(text);
  if (text === undefined || json === undefined) return refusedWhole(body, 'invalid_json');
  if (Array.isArray(json)) return decodeArray(message, text, json, rules);
  const event = acceptEvent(message, json, false, rules);
  return typeof event === 'string' ? refusedWhole(body, event) : accepted(body, event);
}

/** JSON has no `undefined`, which therefore says that it is none. */
function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

function accepted(body: Buffer, event: ReportedEvent): Decoded {
  return { events: [event], refusals: [], refuse: (_, reason) => ({ reason, body }) };
}

function refusedWhole(body: Buffer, reason: RefusalReason): Decoded {
  return { events: [], refusals: [{ reason, body }], refuse: () => ({ reason, body }) };
}

function decodeArray(
  message: IncomingMessage,
  text: string,
  elements: readonly unknown[],
  rules: DecodeRules,
): Decoded {
  const { body, routingKey } = message;
  const isTooMany = elements.length > MAX_BATCH_EVENTS;
  // First: what may not be said under this key is not to be split and said under another.
  if (routingKey !== BATCH_KEY && (isTooMany || elements.length === 0)) {
    return refusedWhole(body, 'routing_key_mismatch');
  }
  if (isTooMany) return refusedWhole(body, 'too_many');
  const results = elements.map((element) => acceptEvent(message, element, true, rules));
  // Once for all that are refused, however many: a look for one goes through the whole text.
  let texts: readonly string[] | undefined;
  const refuseAt = (at: number, reason: RefusalReason) => {
    texts ??= elementTexts(text);
    return { reason, body: Buffer.from(texts[at]!) };
  };
  return {
    events: results.filter((result) => typeof result !== 'string'),
    refusals: results.flatMap((result, at) =>
      typeof result === 'string' ? [refuseAt(at, result)] : [],
    ),
    refuse: (event, reason) => refuseAt(results.indexOf(event), reason),
  };
}

function acceptEvent(
  { routingKey, timestamp, receivedAt, latest = receivedAt }: IncomingMessage,
  value: unknown,
  inArray: boolean,
  { maxClockSkew }: DecodeRules,
): ReportedEvent | RefusalReason {
  const event = decodeEvent(value, timestamp ?? receivedAt);
  if (event === undefined) return 'invalid_event';
  if (!belongsUnder(routingKey, event, inArray)) return 'routing_key_mismatch';
  return event.occurredAt > latest + maxClockSkew ? 'future_timestamp' : event;
}

/** An array is a batch, and a batch holds nothing that somebody needs a right of its own for. */
function belongsUnder(routingKey: string, { type }: ReportedEvent, inArray: boolean): boolean {
  if (inArray) return routingKey === BATCH_KEY && !isTransition(type);
  return routingKey === eventKey(type);
}
