import Type from 'typebox';
import { retryLater } from '../problem.js';
import type { Readiness } from '../readiness.js';
import { type Reply, type Route, route } from '../route.js';
import { TIME } from '../schemas.js';
import { EXAMPLE_TIME } from './examples.js';

/** Whether the process lives, and whether it should be sent requests. */
export function healthRoutes({ readiness }: { readonly readiness: Readiness }): Route[] {
  return [liveRoute(), readyRoute(readiness)];
}

function liveRoute(): Route {
  return route({
    method: 'GET',
    path: '/health/live',
    operationId: 'live',
    tag: 'health',
    access: 'anyone',
    summary: 'Whether the process runs',
    answers: {
      200: {
        description: 'It runs.',
        schema: Type.Object({ status: Type.Literal('ok') }),
        example: { status: 'ok' },
      },
    },
    handle: () => ({ body: { status: 'ok' } }),
  });
}

function readyRoute(readiness: Readiness): Route {
  const missing = Type.Array(Type.Enum(['broker', 'database']));
  return route({
    method: 'GET',
    path: '/health/ready',
    operationId: 'ready',
    tag: 'health',
    access: 'anyone',
    summary: 'Whether the process should be sent requests',
    description:
      'With a dependency away it should: it still holds heartbeats, or still serves reads and logins. 503 while it starts, drains or can do no work at all; `state` says which.',
    answers: {
      200: {
        description: 'It should.',
        schema: Type.Object({
          status: Type.Enum(['ok', 'degraded']),
          missing: Type.Optional(missing),
          as_of: Type.Optional({
            ...TIME,
            description: 'How far events have been processed: how old reads are.',
          }),
          as_of_lag_seconds: Type.Optional(
            Type.Number({ description: 'How far that is behind the clock.' }),
          ),
        }),
        example: {
          status: 'degraded',
          missing: ['broker'],
          as_of: EXAMPLE_TIME,
          as_of_lag_seconds: 12.4,
        },
      },
    },
    handle: () => readyReply(readiness),
  });
}

const WHY = {
  starting: 'Its dependencies have not all been there yet.',
  draining: 'It is about to end.',
  unable: 'Its dependencies are away.',
} as const;

/** @throws ProblemError 503 while requests had better go elsewhere */
export function readyReply(readiness: Readiness): Reply {
  const report = readiness.report();
  if (report.status === 'ok' || report.status === 'degraded') return { body: report };
  const { status: state, ...rest } = report;
  throw retryLater(503, `This process is ${state}. ${WHY[state]}`, 1_000, { state, ...rest });
}
