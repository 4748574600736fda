import type { Logger } from 'pino';
import type { ApiContext, ApiMiddleware } from './context.js';
import { PROBLEM_TYPE, type Problem, problemDocument, problemOf } from './problem.js';

/** The one place where an error becomes an answer. Headers that are set already stay. */
export function errorFunnel(logger: Logger): ApiMiddleware {
  return async (ctx, next) => {
    try {
      await next();
    } catch (error) {
      const problem = problemOf(error);
      if (problem.status >= 500 && problem.status !== 503) {
        logger.error({ err: error, requestId: ctx.state.requestId }, 'request failed');
      }
      answerProblem(ctx, problem);
    }
  };
}

export function answerProblem(ctx: ApiContext, problem: Problem): void {
  ctx.status = problem.status;
  ctx.body = problemDocument(problem);
  ctx.set('Content-Type', PROBLEM_TYPE);
  if (problem.headers !== undefined) ctx.set(problem.headers);
}
