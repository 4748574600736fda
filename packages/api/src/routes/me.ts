import {
  type EventFacts,
  type ReportedEvent,
  type Status,
  Unavailable,
  UnknownUser,
  withEvent,
} from '@presence/domain';
import Type from 'typebox';
import type { ApiContext, Caller } from '../context.js';
import { isPassive } from '../middleware.js';
import { retryLater } from '../problem.js';
import { type Reply, type Route, route } from '../route.js';
import { STATUS, TIME, USER } from '../schemas.js';
import type { ApiServices } from '../services.js';
import { formatLastSeen } from '../wire-time.js';
import { userFields } from '../wire-user.js';
import { personOf } from './caller.js';
import { EXAMPLE_TIME, EXAMPLE_USER } from './examples.js';

export const HEARTBEAT_PATH = '/api/users/heartbeat/';

/** The routes of the person who makes the request. */
export function meRoutes(services: ApiServices): Route[] {
  return [heartbeatRoute(services), meRoute(services)];
}

function heartbeatRoute(services: ApiServices): Route {
  const { settings } = services;
  const nextIn = settings.heartbeatInterval / 1_000;
  return route({
    method: 'POST',
    path: HEARTBEAT_PATH,
    operationId: 'heartbeat',
    tag: 'presence',
    access: 'user',
    summary: 'Say that the user is there',
    description:
      'Without a body the user is online. Send the next one after `next_heartbeat_in` seconds. 503 says that heartbeats cannot be kept at the moment: try again after Retry-After.',
    body: {
      schema: Type.Object({ status: Type.Optional(Type.Enum(['online', 'away'])) }),
      optional: true,
    },
    answers: {
      200: {
        description: 'The heartbeat is recorded, and in reads within a second.',
        schema: Type.Object({
          message: Type.Literal('Heartbeat recorded'),
          online_status: STATUS,
          last_seen: Type.Union([TIME, Type.Null()]),
          next_heartbeat_in: Type.Number({ description: 'Seconds.' }),
        }),
        example: {
          message: 'Heartbeat recorded',
          online_status: 'online',
          last_seen: EXAMPLE_TIME,
          next_heartbeat_in: nextIn,
        },
        dated: true,
      },
    },
    onRefused: (ctx) => recordRefused(services, ctx),
    handle: (ctx, { body }) => beat(services, ctx, body.status, nextIn),
  });
}

/**
 * No waiting, and nothing is read that is not in memory. The plain ones among them do not come this
 * far: `heartbeat-lane.ts` answers them, the same.
 */
function beat(
  services: ApiServices,
  ctx: ApiContext,
  status: 'online' | 'away' | undefined,
  nextIn: number,
): Reply | Promise<Reply> {
  const { publisher, watch } = services;
  const caller = personOf(ctx);
  if (status === undefined && isPassive(ctx.req.headers['presence-mode'])) {
    return passiveBeat(services, caller, nextIn);
  }
  const event = record(services, ctx, 'heartbeat', status ?? 'online');
  if (!publisher.accepting) {
    // In turn, as ever: whoever comes back after a second is thirty times the load.
    const { heartbeatInterval } = services.settings;
    throw retryLater(503, 'Heartbeats cannot be kept at the moment.', heartbeatInterval);
  }
  const { status: shown } = asApplied(services, caller, event);
  return { body: beatFields(shown, event.occurredAt, nextIn), asOf: watch.asOf };
}

function beatFields(status: Status, lastSeen: number | null, nextIn: number) {
  return {
    message: 'Heartbeat recorded',
    online_status: status,
    last_seen: formatLastSeen(lastSeen),
    next_heartbeat_in: nextIn,
  };
}

/** A poller's heartbeat moves nothing: it is told how its user is. */
async function passiveBeat(services: ApiServices, caller: Caller, nextIn: number): Promise<Reply> {
  const { user, asOf } = await ownRow(services, caller);
  return { body: beatFields(user.status, user.lastSeen, nextIn), asOf };
}

/** Whoever sends a heartbeat that cannot be read is there all the same. */
function recordRefused(services: ApiServices, ctx: ApiContext): void {
  if (isPassive(ctx.req.headers['presence-mode'])) return;
  record(services, ctx, 'activity', 'online');
}

function record(
  { publisher, now }: ApiServices,
  ctx: ApiContext,
  type: 'activity' | 'heartbeat',
  status: Status,
): ReportedEvent {
  const { user, userId, token } = personOf(ctx);
  const facts: EventFacts = { type, occurredAt: now(), status, sessionId: token.sessionId };
  const username = userId === null ? token.profile?.username : undefined;
  const event = { ...facts, user, ...(username !== undefined && { username }) };
  publisher.record(event);
  ctx.state.presenceEvent = event;
  return event;
}

/**
 * An event as rows will show it: one of a session that has ended makes nobody online. Where a
 * message ended it, its access tokens are still good, newer ones included.
 */
function asApplied(
  { ended }: ApiServices,
  { userId, token }: Caller,
  event: ReportedEvent,
): ReportedEvent {
  if (userId === null || !ended.has(userId, token.sessionId)) return event;
  ended.add({ userId, sessionId: token.sessionId, tokensRefused: false, until: token.expiresAt });
  return { ...event, status: 'offline' };
}

function meRoute(services: ApiServices): Route {
  return route({
    method: 'GET',
    path: '/api/users/me/',
    operationId: 'me',
    tag: 'presence',
    access: 'user',
    summary: 'The user of the access token',
    description: 'This request itself is activity, and the answer shows that.',
    answers: {
      200: { description: 'The user.', schema: USER, example: EXAMPLE_USER, dated: true },
    },
    problems: [404],
    handle: async (ctx) => {
      const caller = personOf(ctx);
      const { user, asOf } = await ownRow(services, caller);
      const event = ctx.state.presenceEvent;
      const shown =
        event === undefined ? user : withEvent(user, asApplied(services, caller, event));
      return { body: userFields(user, shown), asOf };
    },
  });
}

async function ownRow({ reader, watch }: ApiServices, { userId }: Caller) {
  if (userId === null) throw new Unavailable('database');
  const { asOf, value: user } = await reader.user(userId);
  if (user === null) throw new UnknownUser(userId);
  return { user, asOf: watch.note(asOf) };
}
