import {
  type AccessToken,
  type TokenVerifier,
  Unauthenticated,
  type UserId,
} from '@presence/domain';
import type { CallerDirectory } from './caller-directory.js';
import type { ApiMiddleware, Caller } from './context.js';
import type { EndedSessions } from './ended-sessions.js';

/** Tokens of this role belong to programs: they may read, and are nobody's presence. */
export const SERVICE_ROLE = 'service';

export interface AuthenticationOptions {
  readonly verifier: TokenVerifier;
  readonly directory: CallerDirectory;
  readonly ended: EndedSessions;
}

/**
 * Says who makes the request, before anything is said of where it goes: a token that is shown
 * and is not good is refused on every path. A request without one goes on as nobody's.
 */
export function authentication(options: AuthenticationOptions): ApiMiddleware {
  return async (ctx, next) => {
    const header = ctx.req.headers.authorization;
    if (header !== undefined) ctx.state.caller = await identify(header, options);
    await next();
  };
}

/**
 * Who is behind an Authorization header: at once where token and user are known already.
 * @throws Unauthenticated, or rejects with it
 */
export function identify(header: string, options: AuthenticationOptions): Caller | Promise<Caller> {
  return identifyBearer(bearerToken(header), options);
}

/** The same of what stands behind the scheme. */
export function identifyBearer(
  bearer: string,
  options: AuthenticationOptions,
): Caller | Promise<Caller> {
  const token = options.verifier.verify(bearer);
  if (!(token instanceof Promise)) return callerOf(token, options);
  return token.then((verified) => callerOf(verified, options));
}

function callerOf(token: AccessToken, options: AuthenticationOptions): Caller | Promise<Caller> {
  if (token.role === SERVICE_ROLE) return { token, user: null, userId: null };
  const userId = options.directory.resolve(token);
  if (!(userId instanceof Promise)) return admitted(token, userId, options);
  return userId.then((resolved) => admitted(token, resolved, options));
}

function admitted(
  token: AccessToken,
  userId: UserId | null,
  { ended }: AuthenticationOptions,
): Caller {
  if (userId !== null && ended.refusesTokens(userId, token.sessionId)) throw sessionEnded();
  return { token, user: userId ?? token.identity, userId };
}

export function sessionEnded(): Unauthenticated {
  return new Unauthenticated('The session of this token has ended.');
}

/** RFC 6750, 2.1. The name of the scheme has no case (RFC 9110, 11.1). */
function bearerToken(header: string): string {
  const [, token] = /^bearer +(\S*)$/i.exec(header) ?? [];
  if (token === undefined || !isBearerToken(token))
    throw new Unauthenticated('The Authorization header holds no Bearer token.');
  return token;
}

/** Nothing but characters of which a token may be: RFC 6750, 2.1. */
function isBearerToken(text: string): boolean {
  return /^[\w\-.~+/]+=*$/.test(text);
}

export function isService({ role }: AccessToken): boolean {
  return role === SERVICE_ROLE;
}
