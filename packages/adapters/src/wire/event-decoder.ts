import {
  declaredStatus,
  EVENT_TYPES,
  type EventType,
  isStatus,
  isTransition,
  isUserId,
  type Millis,
  NO_SESSION,
  type ReportedEvent,
  type UserRef,
} from '@presence/domain';
import { isText, MAX_TEXT } from './schema.js';
import { parseTime } from './time-text.js';

type Json = Record<string, unknown>;

const TYPES: ReadonlySet<unknown> = new Set(EVENT_TYPES);

/**
 * Reads one event; `undefined`: it is none. `arrivedAt` stands in for a time it need not carry.
 *
 * It says the same as the JSON Schema of events, by hand: the compiled schema would only check, and
 * its cost come on top of reading the event out. That both agree on every input is a property test.
 */
export function decodeEvent(value: unknown, arrivedAt: Millis): ReportedEvent | undefined {
  if (!isObject(value) || !hasText(value)) return undefined;
  const { type } = value;
  if (!isEventType(type)) return undefined;
  const user = userOf(value);
  const status = statusOf(type, value.status);
  const occurredAt = timeOf(type, value.occurred_at, arrivedAt);
  if (user === undefined || status === undefined || occurredAt === undefined) return undefined;
  const sessionId = (value.session_id as string | undefined) ?? NO_SESSION;
  const event = { type, user, occurredAt, status, sessionId };
  return value.username === undefined ? event : { ...event, username: value.username as string };
}

function isObject(value: unknown): value is Json {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function isEventType(type: unknown): type is EventType {
  return TYPES.has(type);
}

function hasText({ issuer, subject, username, session_id, source }: Json): boolean {
  return (
    isTextOrAbsent(session_id) &&
    isTextOrAbsent(issuer) &&
    isTextOrAbsent(subject) &&
    isTextOrAbsent(username) &&
    (source === undefined || isText(source))
  );
}

function isTextOrAbsent(value: unknown): boolean {
  return value === undefined || (value !== '' && isText(value, MAX_TEXT));
}

function userOf({ user_id, issuer, subject }: Json): UserRef | undefined {
  if (user_id !== undefined) return isUserId(user_id) ? user_id : undefined;
  if (issuer === undefined || subject === undefined) return undefined;
  return { issuer: issuer as string, subject: subject as string };
}

function statusOf(type: EventType, given: unknown) {
  if (given === undefined) return declaredStatus(type);
  return isStatus(given) ? declaredStatus(type, given) : undefined;
}

function timeOf(type: EventType, given: unknown, arrivedAt: Millis): Millis | undefined {
  if (given === undefined) return isTransition(type) ? undefined : arrivedAt;
  return typeof given === 'string' ? parseTime(given) : undefined;
}
