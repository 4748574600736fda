import Koa from 'koa';
import type { Logger } from 'pino';
import type { Registry } from 'prom-client';
import type { ApiState } from './context.js';
import { errorFunnel } from './error-funnel.js';
import type { Readiness } from './readiness.js';
import { type Route, route } from './route.js';
import { routing } from './router.js';
import { healthRoutes } from './routes/health.js';
import type { ApiSettings } from './settings.js';

interface OpsOptions {
  readonly registry: Registry;
  readonly readiness: Readiness;
  readonly logger: Logger;
}

/** Metrics and health for operators, on a port that the public does not reach. */
export function createOps({ registry, readiness, logger }: OpsOptions, settings: ApiSettings) {
  const app = new Koa<ApiState>();
  const routes = [metricsRoute(registry), ...healthRoutes({ readiness })];
  app.use(errorFunnel(logger));
  app.use((ctx, next) => {
    ctx.set('Cache-Control', 'no-store');
    return next();
  });
  for (const middleware of routing(routes, settings)) app.use(middleware);
  return app;
}

function metricsRoute(registry: Registry): Route {
  return route({
    method: 'GET',
    path: '/metrics',
    operationId: 'metrics',
    tag: 'operations',
    access: 'anyone',
    summary: 'Metrics for Prometheus',
    answers: { 200: { description: 'The metrics.', contentType: 'text/plain' } },
    handle: async () => ({
      body: await registry.metrics(),
      headers: { 'Content-Type': registry.contentType },
    }),
  });
}
