import type {
  PresenceEvent,
  Refusal,
  RefusedEvent,
  ReportedEvent,
  StatusChange,
} from '@presence/domain';
import { changeKey, MAX_BATCH_EVENTS, MAX_BODY_BYTES } from './names.js';
import type { ChangeJson } from './schema.js';
import { formatTime } from './time-text.js';

/** What of a session id needs no quoting. */
const UNQUOTED = /^[\w-]*$/;

/** One event as the text of its message. */
export function encodeEvent(event: ReportedEvent | PresenceEvent): string {
  return isPlain(event) ? plainText(event) : JSON.stringify(jsonOf(event));
}

type PlainEvent = ReportedEvent & { readonly user: number };

/** Of a user of ours, in a session of ours or in none: nearly all that is recorded. */
function isPlain(event: ReportedEvent | PresenceEvent): event is PlainEvent {
  if ('userId' in event || !Number.isSafeInteger(event.user)) return false;
  const { type, status, sessionId, username } = event;
  return (
    (type === 'heartbeat' || type === 'activity') &&
    (status === 'online' || status === 'away') &&
    username === undefined &&
    typeof sessionId === 'string' &&
    (sessionId === '' || UNQUOTED.test(sessionId))
  );
}

/** The same text, of what needs no quoting: ASCII. */
function plainText({ type, user, occurredAt, status, sessionId }: PlainEvent): string {
  const declared = type === 'heartbeat' ? `,"status":"${status}"` : '';
  const session = sessionId === '' ? '' : `,"session_id":"${sessionId}"`;
  return `{"type":"${type}","user_id":${user},"occurred_at":"${formatTime(occurredAt)}"${declared}${session}}`;
}

function jsonOf(event: ReportedEvent | PresenceEvent) {
  const { type, occurredAt, status, sessionId } = event;
  return {
    type,
    ...('userId' in event ? { user_id: event.userId } : userFields(event)),
    occurred_at: formatTime(occurredAt),
    status: type === 'heartbeat' || type === 'status_set' ? status : undefined,
    session_id: sessionId === '' ? undefined : sessionId,
  };
}

function userFields({ user, username }: ReportedEvent) {
  const who =
    typeof user === 'number' ? { user_id: user } : { issuer: user.issuer, subject: user.subject };
  return username === undefined ? who : { ...who, username };
}

export interface EncodedBatch {
  readonly events: readonly ReportedEvent[];
  readonly body: Buffer;
}

/** Packs events, in their order, into as few messages as the limits of one allow; at least one. */
export function encodeBatches(events: readonly ReportedEvent[]): EncodedBatch[] {
  const batches: EncodedBatch[] = [];
  let [start, bytes, texts] = [0, 2, [] as string[]];
  const pack = (end: number) => {
    batches.push({ events: events.slice(start, end), body: Buffer.from(`[${texts.join(',')}]`) });
    [start, bytes, texts] = [end, 2, []];
  };
  events.forEach((event, at) => {
    const isAscii = isPlain(event);
    const text = isAscii ? plainText(event) : JSON.stringify(jsonOf(event));
    const length = (isAscii ? text.length : Buffer.byteLength(text)) + 1;
    if (texts.length === MAX_BATCH_EVENTS || bytes + length > MAX_BODY_BYTES) pack(at);
    texts.push(text);
    bytes += length;
  });
  pack(events.length);
  return batches;
}

/** A refused event that is no longer there in the words in which it came. */
export function encodeRefused({ event, reason }: RefusedEvent): Refusal {
  return { reason, body: Buffer.from(encodeEvent(event)) };
}

export interface EncodedChange {
  readonly routingKey: string;
  readonly messageId: string;
  readonly body: Buffer;
}

export function encodeChange(change: StatusChange): EncodedChange {
  const { id, userId, version, from, to, at, lastSeen, cause } = change;
  const json: ChangeJson = {
    id,
    user_id: userId,
    version,
    from,
    to,
    at: formatTime(at),
    last_seen: formatTime(lastSeen),
    cause,
  };
  return { routingKey: changeKey(to), messageId: id, body: Buffer.from(JSON.stringify(json)) };
}
