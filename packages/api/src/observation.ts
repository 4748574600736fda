import { randomUUID } from 'node:crypto';
import type { Logger } from 'pino';
import type { ApiContext, ApiMiddleware } from './context.js';
import type { RequestMetrics } from './request-metrics.js';

/** Nearly all there is: a line for each would cost more than the answer. */
const QUIET = new Set(['/api/users/heartbeat/', '/health/live', '/health/ready']);

/** Nothing as long as a token, and nothing that could be an address. */
const SANE_ID = /^[\w.:-]{1,64}$/;

/** Gives each request its id, and tells the log and the metrics what has become of it. */
export function observation(logger: Logger, metrics: RequestMetrics): ApiMiddleware {
  return async (ctx, next) => {
    const start = performance.now();
    const requestId = requestIdOf(ctx.req.headers['x-request-id']);
    ctx.state.requestId = requestId;
    ctx.set('X-Request-Id', requestId);
    await next();
    const millis = performance.now() - start;
    const route = ctx.state.route ?? '(none)';
    metrics.observe(ctx.method, route, ctx.status, millis / 1_000);
    logRequest(logger, ctx, route, millis);
  };
}

/** The one that a proxy in front has given, or a new one. */
export function requestIdOf(given: string | string[] | undefined): string {
  return typeof given === 'string' && SANE_ID.test(given) ? given : randomUUID();
}

/** By template, never by path or query: those may hold what somebody searched for. */
function logRequest(logger: Logger, ctx: ApiContext, route: string, millis: number): void {
  const { method, status } = ctx;
  const level = status === 200 && QUIET.has(route) ? 'debug' : 'info';
  if (!logger.isLevelEnabled(level)) return;
  const { requestId, caller } = ctx.state;
  const userId = caller?.userId ?? undefined;
  logger[level]({ requestId, method, route, status, ms: Math.round(millis), userId }, 'request');
}
