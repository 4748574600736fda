import { inspect } from 'node:util';
import { isTransition, isUserId, type ReportedEvent } from '@presence/domain';

/**
 * For programs that no compiler has checked: an event that cannot be folded or written would take
 * with it what is recorded beside it. What a worker refuses by itself, a text that is too long say, passes.
 * @throws TypeError that says which field is not as it should be
 */
export function assertRecordable(event: ReportedEvent): void {
  const { type, user, occurredAt, status, sessionId, username } = event;
  if (!isMoment(occurredAt)) fail('occurredAt is milliseconds since 1970', occurredAt);
  if (!isUserRef(user)) fail('user is an id of presence, or {issuer, subject}', user);
  if (typeof sessionId !== 'string') fail("sessionId is text, '' for none", sessionId);
  if (username !== undefined && typeof username !== 'string') fail('username is text', username);
  if (status !== 'online' && status !== 'away') fail('status is online or away', status);
  if (isTransition(type)) fail('type is activity or heartbeat', type);
}

/** A time that `Date` knows (ECMA-262, 21.4.1.1). */
function isMoment(time: unknown): boolean {
  return typeof time === 'number' && Math.abs(time) <= 8.64e15;
}

function isUserRef(user: unknown): boolean {
  if (typeof user !== 'object') return isUserId(user);
  const { issuer, subject } = (user ?? {}) as Readonly<Record<string, unknown>>;
  return typeof issuer === 'string' && typeof subject === 'string';
}

function fail(what: string, found: unknown): never {
  throw new TypeError(`${what}, not ${inspect(found)}.`);
}
