import cors from '@koa/cors';
import type Koa from 'koa';
import helmet from 'koa-helmet';
import type { ApiMiddleware } from './context.js';
import { badRequest } from './problem.js';

const PREFLIGHT_SECONDS = 7_200;
export const EXPOSED: readonly string[] = ['Presence-As-Of', 'Retry-After', 'WWW-Authenticate'];

/** The header fields of every answer, errors included, and preflights, which need no token. */
export function answerHeaders(corsOrigins: readonly string[]): Koa.Middleware[] {
  return [
    noStore,
    helmet({
      contentSecurityPolicy: {
        useDefaults: false,
        directives: { defaultSrc: ["'none'"], frameAncestors: ["'none'"] },
      },
      // Whoever ends TLS decides that for the whole domain.
      strictTransportSecurity: false,
      // Of browsers that are gone, or for pages with content of their own.
      xDownloadOptions: false,
      xPermittedCrossDomainPolicies: false,
      xXssProtection: false,
      xDnsPrefetchControl: false,
      originAgentCluster: false,
    }),
    cors({
      origin: (ctx) => allowedOrigin(ctx.get('Origin'), corsOrigins),
      allowMethods: 'GET,HEAD,POST',
      allowHeaders: ['authorization', 'content-type', 'presence-mode'],
      exposeHeaders: [...EXPOSED],
      maxAge: PREFLIGHT_SECONDS,
    }),
    preflight,
  ];
}

/** RFC 9112, 3.2: the server would say so by itself, but without a problem document. */
export const hostRequired: ApiMiddleware = (ctx, next) => {
  if (ctx.req.httpVersion === '1.1' && ctx.req.headers.host === undefined) {
    throw badRequest('The request has no Host header.');
  }
  return next();
};

const noStore: Koa.Middleware = (ctx, next) => {
  ctx.set('Cache-Control', 'no-store');
  return next();
};

/** What Access-Control-Allow-Origin says; empty: nothing. */
export function allowedOrigin(origin: string, allowed: readonly string[]): string {
  if (allowed.includes('*')) return '*';
  return allowed.includes(origin) ? origin : '';
}

/** One from an origin that is not allowed: answered alike, without the headers that allow. */
const preflight: Koa.Middleware = (ctx, next) => {
  if (ctx.method !== 'OPTIONS' || ctx.get('Access-Control-Request-Method') === '') return next();
  ctx.status = 204;
  return Promise.resolve();
};
