import { type SessionId, Unavailable, type UserId, withEvent } from '@presence/domain';
import Type from 'typebox';
import type { ApiContext, Caller } from '../context.js';
import { badRequest } from '../problem.js';
import { refreshHash } from '../refresh-token.js';
import { type Reply, type Route, route } from '../route.js';
import { LOGOUT, PENDING, STATUS, TIME } from '../schemas.js';
import type { ApiServices } from '../services.js';
import { formatLastSeen } from '../wire-time.js';
import { personOf } from './caller.js';
import { EXAMPLE_TIME } from './examples.js';

export function logoutRoute(services: ApiServices): Route {
  return route({
    method: 'POST',
    path: '/api/users/logout/',
    operationId: 'logout',
    tag: 'sessions',
    access: 'user',
    summary: 'Log out',
    description:
      'Ends the session of the access token and sets its user offline, both committed when this answers. Every token of the session is refused everywhere within a second. The JSON may also call itself text/plain.',
    body: { schema: LOGOUT, optional: true, asText: true },
    answers: {
      200: {
        description: 'The session has ended.',
        schema: Type.Object({
          message: Type.Literal('Logged out'),
          online_status: STATUS,
          last_seen: Type.Union([TIME, Type.Null()]),
          pending: PENDING,
        }),
        example: { message: 'Logged out', online_status: 'offline', last_seen: EXAMPLE_TIME },
        dated: true,
      },
    },
    handle: (ctx, { body }) => logOut(services, personOf(ctx), body.refresh ?? null, ctx),
  });
}

async function logOut(
  services: ApiServices,
  { userId, token }: Caller,
  refresh: string | null,
  ctx: ApiContext,
): Promise<Reply> {
  if (userId === null) throw new Unavailable('database');
  const other = refresh === null ? null : await otherSession(services, userId, refresh);
  const at = services.watch.bounded(services.now(), services.settings.maxClockSkew);
  const end = (sessionId: SessionId) =>
    endSession(services, userId, sessionId, at, token.expiresAt);
  // What the client hands over to be ended is ended, even where it is not the bearer's own.
  if (other !== null && other !== token.sessionId) await end(other);
  const { presence, pending } = await end(token.sessionId);
  services.logger.info({ userId, pending, requestId: ctx.state.requestId }, 'logged out');
  const logout = { type: 'logout', occurredAt: at, status: 'offline', sessionId: '' } as const;
  const { status, lastSeen } = pending ? withEvent(presence, logout) : presence;
  const body = {
    message: 'Logged out',
    online_status: status,
    last_seen: formatLastSeen(lastSeen),
  };
  return { body: pending ? { ...body, pending } : body, asOf: services.watch.asOf };
}

/**
 * The session of a refresh token of the caller's own; `null` for one that was never issued here,
 * such as another issuer's.
 * @throws ProblemError 400 where it is somebody else's
 */
async function otherSession(
  { sessions }: ApiServices,
  userId: UserId,
  refresh: string,
): Promise<SessionId | null> {
  const owner = await sessions.ownerOf(refreshHash(refresh));
  if (owner === null) return null;
  if (owner.userId === userId) return owner.sessionId;
  const message = 'belongs to a session of somebody else';
  throw badRequest('The request is not valid.', [{ field: 'refresh', message }]);
}

/** Ends it in the database, and here at once rather than with the next look at the database. */
async function endSession(
  { sessions, ended, settings }: ApiServices,
  userId: UserId,
  sessionId: SessionId,
  at: number,
  expiresAt: number,
) {
  const tokensUntil = Math.max(expiresAt, at + settings.accessTokenTtl);
  const session = { userId, sessionId, at, tokensUntil };
  const transition = await sessions.end(session);
  ended.add({ userId, sessionId, tokensRefused: true, until: tokensUntil });
  return transition;
}
