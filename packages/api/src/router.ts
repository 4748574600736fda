import Router from '@koa/router';
import type { TObject } from 'typebox';
import { assertAccess } from './access.js';
import type { ApiContext, ApiMiddleware, ApiState } from './context.js';
import { ProblemError } from './problem.js';
import { readBody } from './request-body.js';
import { readParameters, requestCheck } from './request-check.js';
import type { Input, Reply, Route } from './route.js';
import type { ServingSettings } from './settings.js';
import { formatTime } from './wire-time.js';

type RawInput = Input<TObject, TObject, TObject>;

/** The middlewares that take a request to its route, or say why there is none. */
export function routing(routes: readonly Route[], settings: ServingSettings): ApiMiddleware[] {
  const router = new Router<ApiState>({ sensitive: true });
  for (const route of routes) {
    const register = route.method === 'GET' ? router.get : router.post;
    register.call(router, routerPath(route.path), runner(route, settings));
  }
  return [router.routes() as ApiMiddleware, noRoute];
}

/** The router takes a path without its trailing slash for both. */
function routerPath(path: string): string {
  return path.replace(/\{(\w+)\}/g, ':$1').replace(/\/$/, '');
}

/** Checks in the order that the contract has: 401 and 403, then 413, 415 and 400; then the handler. */
function runner(route: Route, settings: ServingSettings): ApiMiddleware {
  const read = reader(route);
  return async (ctx) => {
    ctx.state.route = route.path;
    assertAccess(route.access, ctx.state.caller, settings);
    const input = await read(ctx).catch((error: unknown) => {
      route.onRefused?.(ctx);
      throw error;
    });
    send(ctx, await route.handle(ctx, input));
  };
}

function reader({ params, query, body }: Route): (ctx: ApiContext) => Promise<RawInput> {
  const checkParams = params && requestCheck(params, 'params');
  const checkQuery = query && requestCheck(query, 'query');
  const checkBody = body && requestCheck(body.schema, 'body');
  return async (ctx) => {
    const bodyValue = body ? await readBody(ctx, body) : {};
    const input = {
      params: params ? readParameters(ctx.params, params) : {},
      query: query ? readParameters(ctx.query, query) : {},
      body: bodyValue as RawInput['body'],
    };
    checkParams?.(input.params);
    checkQuery?.(input.query);
    checkBody?.(input.body);
    return input;
  };
}

function send(ctx: ApiContext, { status = 200, body, asOf, headers }: Reply): void {
  ctx.status = status;
  if (headers !== undefined) ctx.set(headers);
  if (asOf !== undefined) ctx.set('Presence-As-Of', formatTime(asOf));
  ctx.body = body;
}

/** The router went by: the path is not known, or not with this method. */
const noRoute: ApiMiddleware = (ctx) => {
  const layers: readonly { methods: readonly string[] }[] = ctx.matched ?? [];
  const allowed = new Set(layers.flatMap(({ methods }) => methods));
  if (allowed.size === 0)
    throw new ProblemError({ status: 404, detail: 'There is nothing at this path.' });
  const allow = [...allowed].sort().join(', ');
  const detail = `This path takes ${allow}.`;
  throw new ProblemError({ status: 405, detail, headers: { Allow: allow } });
};
