import type { DeadLetter, ReplayedMessage } from '@presence/adapters/rabbitmq';
import { BATCH_KEY, decode, eventKey, MAX_BATCH_EVENTS } from '@presence/adapters/wire';
import { EVENT_TYPES, type Millis } from '@presence/domain';

/** Why a letter is not replayed; a sentence that goes on from “stays: ”. */
export type Obstacle = string;

/**
 * The messages that take a dead letter's events in again, under the routing keys that fit them, or
 * what stands in the way. Whether the user is known, and what the database says, is for the worker
 * to find out again.
 */
export function replayOf(letter: DeadLetter, now: Millis): readonly ReplayedMessage[] | Obstacle {
  // Before its key was judged, whatever is in it: in parts it would be said under another.
  if (letter.reason === 'too_large') return OBSTACLES.too_large!;
  const json = parsed(letter.body.toString());
  if (json === undefined) return 'not JSON';
  const messages = Array.isArray(json) ? batchesOf(letter, json) : [eventOf(letter, json)];
  const obstacle = messages.map((message) => obstacleTo(message, letter, now)).find(Boolean);
  return obstacle ?? messages;
}

/** JSON has no `undefined`, which therefore says that it is none. */
function parsed(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

function eventOf({ body }: DeadLetter, json: unknown): ReplayedMessage {
  const given = (json as { type?: unknown } | null)?.type;
  const type = EVENT_TYPES.find((each) => each === given);
  return { routingKey: type === undefined ? '' : eventKey(type), body };
}

/** As it came where one message may hold it, else in as many as it takes. */
function batchesOf({ body }: DeadLetter, events: readonly unknown[]): ReplayedMessage[] {
  if (events.length <= MAX_BATCH_EVENTS) return [{ routingKey: BATCH_KEY, body }];
  const parts = Math.ceil(events.length / MAX_BATCH_EVENTS);
  return Array.from({ length: parts }, (_, part) => {
    const start = part * MAX_BATCH_EVENTS;
    const some = events.slice(start, start + MAX_BATCH_EVENTS);
    return { routingKey: BATCH_KEY, body: Buffer.from(JSON.stringify(some)) };
  });
}

/** The worker refuses the bad ones among others again; where all are bad, nothing is gained. */
function obstacleTo(
  { routingKey, body }: ReplayedMessage,
  { occurredAt }: DeadLetter,
  now: Millis,
): Obstacle | undefined {
  const message = { routingKey, body, timestamp: occurredAt, receivedAt: now };
  const { events, refusals } = decode(message, { maxClockSkew: 0 });
  if (events.length > 0) return undefined;
  const reason = refusals[0]?.reason ?? 'invalid_event';
  return OBSTACLES[reason] ?? `still ${reason}`;
}

const OBSTACLES: Readonly<Record<string, Obstacle>> = {
  invalid_json: 'not JSON',
  invalid_event: 'no event that is known here',
  future_timestamp: 'its time is still to come',
  too_large: 'too large for one message',
};
