import type { RequestListener, Server } from 'node:http';
import type { Duration } from '@presence/domain';
import Koa from 'koa';
import { Registry } from 'prom-client';
import { authentication } from './authentication.js';
import { CallerDirectory } from './caller-directory.js';
import type { ApiContext, ApiMiddleware, ApiState } from './context.js';
import { DatabaseWatch } from './database-watch.js';
import type { ApiDependencies } from './dependencies.js';
import { EndedSessions } from './ended-sessions.js';
import { errorFunnel } from './error-funnel.js';
import { answerHeaders, hostRequired } from './headers.js';
import { HeartbeatLane } from './heartbeat-lane.js';
import { trackPresence } from './middleware.js';
import { observation } from './observation.js';
import { openApiDocument } from './openapi.js';
import { Readiness } from './readiness.js';
import { RequestMetrics } from './request-metrics.js';
import type { Route } from './route.js';
import { routing } from './router.js';
import { adminRoutes } from './routes/admin.js';
import { authRoutes } from './routes/auth.js';
import { docsRoutes } from './routes/docs.js';
import { healthRoutes } from './routes/health.js';
import { managementRoutes } from './routes/management.js';
import { meRoutes } from './routes/me.js';
import { sayingAgain } from './said-again.js';
import { registerServiceMetrics } from './service-metrics.js';
import type { ApiServices } from './services.js';
import type { ServingSettings } from './settings.js';

/** The API, and what goes with it while it serves. */
export interface Api {
  /** What answers requests. */
  readonly listener: RequestListener;
  /** To be given the server that the listener answers for, before its first connection. */
  readonly attach: (server: Server) => void;
  /** To be started with the server: ended sessions and as-of reach the API through it. */
  readonly watch: DatabaseWatch;
  readonly readiness: Readiness;
  readonly registry: Registry;
}

export function createApi(dependencies: ApiDependencies, settings: ServingSettings): Api {
  const registry = dependencies.registry ?? new Registry();
  const services = servicesOf(dependencies, settings);
  registerServiceMetrics(registry, services);
  const known = { ...services, directory: directoryOf(services) };
  const metrics = new RequestMetrics(registry);
  const app = koaApp(known, metrics);
  const { watch, readiness } = services;
  const lane = new HeartbeatLane(known, metrics);
  const listener = lane.before(app.callback());
  return { listener, attach: (server) => lane.attach(server), watch, readiness, registry };
}

/** How much nearer than an event may be: its worker's idea of the database's clock is another. */
const ON_THE_WAY: Duration = 1_000;

function servicesOf(dependencies: ApiDependencies, settings: ServingSettings): ApiServices {
  const clock = dependencies.now ?? Date.now;
  const mostAhead = Math.max(0, settings.maxClockSkew - ON_THE_WAY);
  const ended = new EndedSessions();
  // Looked at all the time, not only when somebody asks: it remembers what has once been there.
  const onLook = () => void readiness.report();
  const watch = new DatabaseWatch({ ...dependencies, now: clock, ended, onLook });
  const { publisher } = dependencies;
  const readiness: Readiness = new Readiness({
    broker: () => publisher.connected,
    database: () => watch.reachable,
    accepting: () => publisher.accepting,
    asOf: () => watch.asOf,
    lag: () => watch.lag,
  });
  const { reader, users, sessions, limiter } = dependencies;
  return {
    ...dependencies,
    reader: watch.guard(reader),
    users: watch.guard(users),
    sessions: watch.guard(sessions),
    limiter: watch.guard(limiter),
    settings,
    now: () => clock() - Math.max(0, watch.lead - mostAhead),
    ended,
    watch,
    readiness,
  };
}

type KnowingServices = ApiServices & { readonly directory: CallerDirectory };

function koaApp(services: KnowingServices, metrics: RequestMetrics): Koa<ApiState> {
  const { settings, logger } = services;
  const app = new Koa<ApiState>();
  app.proxy = settings.trustedProxies > 0;
  app.maxIpsCount = settings.trustedProxies;
  app.on('error', (error) => logger.error({ err: error }, 'an answer could not be sent'));
  const middlewares = [
    observation(logger, metrics),
    lastAnswer(services.readiness),
    errorFunnel(logger),
    ...answerHeaders(settings.corsOrigins),
    hostRequired,
    authentication(services),
    sayingAgain(services),
    tracking(services),
    ...routing(routesOf(services), settings),
  ];
  for (const middleware of middlewares) app.use(middleware);
  return app;
}

/** The heartbeat first: the router tries its routes in order. */
function routesOf(services: ApiServices): Route[] {
  const routes: Route[] = [
    ...meRoutes(services),
    ...authRoutes(services),
    ...adminRoutes(services),
    ...managementRoutes(services),
    ...healthRoutes(services),
    ...docsRoutes(() => openApiDocument(routes)),
  ];
  return routes;
}

function directoryOf({ users, settings }: ApiServices): CallerDirectory {
  return new CallerDirectory({ users, ownIssuer: settings.ownIssuer });
}

/** The very line that other applications put in front of their own routes. */
function tracking({ publisher, logger, now }: ApiServices): ApiMiddleware {
  return trackPresence<ApiState>({
    publisher,
    now,
    user: (ctx) => (bringsItsOwnEvent(ctx) ? null : ctx.state.caller?.user),
    sessionId: (ctx) => ctx.state.caller?.token.sessionId ?? '',
    username: ({ state: { caller } }) =>
      caller?.userId === null ? caller.token.profile?.username : undefined,
    onError: (error) => logger.error({ err: error }, 'a request was not tracked'),
  });
}

const OWN_EVENT = /^\/api\/users\/(?:heartbeat|logout)\/?$/;

/** A heartbeat declares what it says, and a logout is the opposite of activity. */
function bringsItsOwnEvent(ctx: ApiContext): boolean {
  return ctx.method === 'POST' && OWN_EVENT.test(ctx.path);
}

/** While the process drains, each connection ends with the answer under way. */
function lastAnswer(readiness: Readiness): ApiMiddleware {
  return (ctx, next) => {
    if (readiness.draining) ctx.set('Connection', 'close');
    return next();
  };
}
