import type { EventType, Status } from '@presence/domain';

/** Where events are published: topic, durable. */
export const EVENTS_EXCHANGE = 'presence.events';
/** Where the workers take them from. */
export const WRITER_QUEUE = 'presence.writer';
/** Exchange (fanout) and queue of what is refused. */
export const DEAD_LETTERS = 'presence.dead';
/** Where changes of visible status are announced: topic, durable. */
export const CHANGES_EXCHANGE = 'presence.changes';

export const BATCH_KEY = 'presence.batch';
/** Why a dead letter is one. */
export const REASON_HEADER = 'x-presence-reason';
/** When those events of a dead letter happened that do not say so themselves, as RFC 3339. */
export const OCCURRED_HEADER = 'x-presence-occurred-at';
/** What a publisher has recorded by the message that bears it. */
export const PROGRESS_HEADER = 'x-presence-progress';

/**
 * How many messages a worker holds at most, unless it is told otherwise. Of messages with one event
 * 2,000 come to 1.12 times as many a second (`npm run bench -- --only prefetch`); of those with 500
 * they are a million events, for which a worker took 685 MB where it was 290, and 0.83 times as many.
 */
export const PREFETCH = 500;
export const MAX_BODY_BYTES = 256 * 1024;
export const MAX_BATCH_EVENTS = 1_000;

/** The routing key of a message that holds one event. */
export function eventKey(type: EventType): string {
  return `presence.${type}`;
}

/** The routing key of a change to this status. */
export function changeKey(to: Status): string {
  return `presence.${to}`;
}
