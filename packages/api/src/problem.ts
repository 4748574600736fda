import { STATUS_CODES } from 'node:http';
import { InvalidCursor, Unauthenticated, Unavailable, UnknownUser } from '@presence/domain';

export interface FieldError {
  /** A dotted path into the body, or the name of a parameter. */
  readonly field: string;
  readonly message: string;
}

/** A problem document (RFC 9457), before it has its `title`. */
export interface Problem {
  readonly status: number;
  readonly detail: string;
  readonly errors?: readonly FieldError[];
  readonly headers?: Readonly<Record<string, string>>;
  /** Members beyond those of the RFC. */
  readonly extra?: Readonly<Record<string, unknown>>;
}

/** The request cannot be answered as it asks. Its `problem` is what the client is told. */
export class ProblemError extends Error {
  override readonly name = 'ProblemError';
  constructor(readonly problem: Problem) {
    super(problem.detail);
  }
}

export const PROBLEM_TYPE = 'application/problem+json';

const CHALLENGE = { 'WWW-Authenticate': 'Bearer' };

export function unauthorized(detail: string): ProblemError {
  return new ProblemError({ status: 401, detail, headers: CHALLENGE });
}

export function forbidden(detail: string): ProblemError {
  return new ProblemError({ status: 403, detail });
}

export function badRequest(detail: string, errors?: readonly FieldError[]): ProblemError {
  return new ProblemError({ status: 400, detail, ...(errors && { errors }) });
}

/** @param retryAfter milliseconds; told in whole seconds, at least one. */
export function retryLater(
  status: 429 | 503,
  detail: string,
  retryAfter: number,
  extra: Readonly<Record<string, unknown>> = {},
): ProblemError {
  const seconds = Math.max(1, Math.ceil(retryAfter / 1_000));
  return new ProblemError({ status, detail, headers: { 'Retry-After': `${seconds}` }, extra });
}

/** What a client is told of an error; of one that is nobody's fault but ours, nothing but that. */
export function problemOf(error: unknown): Problem {
  if (error instanceof ProblemError) return error.problem;
  if (error instanceof Unauthenticated) return unauthorized(error.message).problem;
  if (error instanceof UnknownUser) return { status: 404, detail: error.message };
  if (error instanceof InvalidCursor) {
    const errors = [{ field: 'cursor', message: error.message }];
    return badRequest('The request is not valid.', errors).problem;
  }
  if (error instanceof Unavailable) {
    return retryLater(503, `${error.message} Try again later.`, error.retryAfter).problem;
  }
  return (
    clientFault(error) ?? { status: 500, detail: 'The server has failed; it is not your fault.' }
  );
}

/** The document itself, as it is sent. */
export function problemDocument({ status, detail, errors, extra }: Problem): string {
  const title = STATUS_CODES[status] ?? 'Error';
  return JSON.stringify({ type: 'about:blank', title, status, detail, ...extra, errors });
}

/** How the libraries that read requests say that a request is at fault. */
function clientFault(error: unknown): Problem | undefined {
  const { status, code } = error as { status?: unknown; code?: unknown };
  switch (status) {
    case 413:
      return { status, detail: 'The body is larger than 16 KiB.' };
    case 400:
      return { status, detail: 'The body is not the JSON that its Content-Type promises.' };
  }
  if (code === 'ERR_INVALID_URL') return { status: 400, detail: 'The request target is no URL.' };
  return undefined;
}
