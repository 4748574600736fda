import { randomUUID } from 'node:crypto';
import {
  type Credentials,
  NO_SESSION,
  TooManyLogins,
  Unauthenticated,
  UnknownUser,
  withEvent,
} from '@presence/domain';
import Type from 'typebox';
import type { ApiContext } from '../context.js';
import { forbidden, retryLater } from '../problem.js';
import { newRefreshToken, refreshHash } from '../refresh-token.js';
import { type Reply, type Route, route } from '../route.js';
import { CREDENTIALS, PENDING, REFRESH, TOKENS, USER } from '../schemas.js';
import type { ApiServices } from '../services.js';
import { userFields } from '../wire-user.js';
import { EXAMPLE_TOKENS, EXAMPLE_USER } from './examples.js';
import { logoutRoute } from './logout.js';

/** The routes of login sessions. Without a key to sign with there is only logout. */
export function authRoutes(services: ApiServices): Route[] {
  const { issuer } = services;
  const logout = logoutRoute(services);
  if (issuer === null) return [logout];
  const sessions = { ...services, issuer };
  return [loginRoute(sessions), refreshRoute(sessions), logout];
}

type IssuingServices = ApiServices & { readonly issuer: NonNullable<ApiServices['issuer']> };

function loginRoute(services: IssuingServices): Route {
  return route({
    method: 'POST',
    path: '/api/users/login/',
    operationId: 'login',
    tag: 'sessions',
    access: 'anyone',
    summary: 'Log in with a password',
    description:
      'Opens a session and sets its user online, both committed when this answers. An unknown user and a wrong password have the same answer; failures are limited.',
    body: { schema: CREDENTIALS },
    answers: {
      200: {
        description: 'The session is open.',
        schema: Type.Object({ ...TOKENS, user: USER, pending: PENDING }),
        example: { ...EXAMPLE_TOKENS, user: EXAMPLE_USER },
        dated: true,
      },
    },
    problems: [403, 429],
    handle: async (ctx, { body }) => {
      const known = await amongOthers(services, ctx, () => authenticate(services, ctx, body));
      return openSession(services, known);
    },
  });
}

/** @throws ProblemError 429 */
async function amongOthers<T>(
  { limiter }: IssuingServices,
  { ip }: ApiContext,
  login: () => Promise<T>,
): Promise<T> {
  try {
    return await limiter.inTurn(ip, login);
  } catch (error) {
    if (!(error instanceof TooManyLogins)) throw error;
    throw retryLater(429, 'Too many logins at once from your address.', 1_000);
  }
}

/** @throws ProblemError 403, 429, Unauthenticated, Unavailable */
async function authenticate(
  { users, hasher, limiter, settings }: IssuingServices,
  ctx: ApiContext,
  { username, password }: { username: string; password: string },
): Promise<Credentials> {
  const assertNotBlocked = async () => {
    const wait = await limiter.blockedFor(username, ctx.ip);
    if (wait > 0) throw retryLater(429, 'Too many failed logins. Wait before the next one.', wait);
  };
  await assertNotBlocked();
  const known = await users.credentials(username);
  const matches = await hasher.verify(known?.passwordHash ?? null, password);
  // Guesses that were sent all at once have all passed the first check; this one they do not pass.
  await assertNotBlocked();
  if (known !== null && matches) {
    await limiter.succeeded(username, ctx.ip);
    if (known.issuer !== settings.ownIssuer) throw forbidden(anotherIssuer(known.issuer));
    return known;
  }
  await limiter.failed(username, ctx.ip);
  throw wrongCredentials();
}

async function openSession(
  { sessions, issuer, settings, watch, now, logger }: IssuingServices,
  { user, passwordHash }: Credentials,
): Promise<Reply> {
  const at = watch.bounded(now(), settings.maxClockSkew);
  const sessionId = randomUUID();
  const refresh = newRefreshToken();
  const { presence, pending } = await sessions
    .open({
      userId: user.id,
      passwordHash,
      sessionId,
      refreshHash: refresh.hash,
      expiresAt: at + settings.refreshTokenTtl,
      at,
    })
    .catch(changedMeanwhile);
  logger.info({ userId: user.id, pending }, 'logged in');
  const login = { type: 'login', occurredAt: at, status: 'online', sessionId: NO_SESSION } as const;
  const shown = pending ? withEvent(presence, login) : presence;
  const access = issuer.issue(user, sessionId);
  const body = { access, refresh: refresh.text, user: userFields(user, shown) };
  return { body: pending ? { ...body, pending } : body, asOf: watch.asOf };
}

/** A user removed a moment ago is like one who never was, and so is a password. */
function changedMeanwhile(error: unknown): never {
  throw error instanceof UnknownUser ? wrongCredentials() : error;
}

/** Our token would be of another issuer than the user, and so of somebody else. */
function anotherIssuer(issuer: string): string {
  return `This user was added while JWT_ISSUER began with ${JSON.stringify(issuer)}. The operator has to put that first again, or to remove the user and add it anew.`;
}

function wrongCredentials(): Unauthenticated {
  return new Unauthenticated('The username or the password is wrong.');
}

function refreshRoute(services: IssuingServices): Route {
  return route({
    method: 'POST',
    path: '/api/users/token/refresh/',
    operationId: 'refresh',
    tag: 'sessions',
    access: 'anyone',
    summary: 'Trade a refresh token for a fresh pair',
    description:
      'The token is spent by it. One that was spent before ends its whole session, except that the directly preceding one may be repeated for a moment: its answer may have been lost. This alone is no activity.',
    body: { schema: REFRESH },
    answers: {
      200: {
        description: 'A fresh pair.',
        schema: Type.Object(TOKENS),
        example: EXAMPLE_TOKENS,
      },
    },
    handle: async (_ctx, { body }) => ({ body: await rotate(services, body.refresh) }),
  });
}

async function rotate(services: IssuingServices, presented: string) {
  const { sessions, users, issuer, settings, ended, watch, logger } = services;
  const hash = refreshHash(presented);
  const owner = await sessions.ownerOf(hash);
  const user = owner && (await users.ownUser(owner.userId));
  // Before it is spent: a user of another first issuer may be ours again.
  if (user === null) throw invalidRefresh();
  // A repeated one is told by when the first came, to another API perhaps.
  const at = watch.now;
  const replacement = newRefreshToken();
  const result = await sessions.rotate({
    presented: hash,
    replacement: replacement.hash,
    expiresAt: at + settings.refreshTokenTtl,
    at,
  });
  if (result.outcome === 'reused') {
    ended.add({ ...result, tokensRefused: true, until: at + settings.accessTokenTtl });
    logger.warn({ userId: result.userId }, 'a spent refresh token was used again: session ended');
  }
  if (result.outcome !== 'rotated') throw invalidRefresh();
  return { access: issuer.issue(user, result.sessionId), refresh: replacement.text };
}

function invalidRefresh(): Unauthenticated {
  return new Unauthenticated('The refresh token is not valid (any more). Log in again.');
}
