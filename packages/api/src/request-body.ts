import type { IncomingMessage } from 'node:http';
import { bodyParser } from '@koa/bodyparser';
import type { TObject } from 'typebox';
import type { ApiContext } from './context.js';
import { badRequest, ProblemError } from './problem.js';
import type { BodyRule } from './route.js';

const LIMIT_BYTES = 16_384;

const JSON_TYPES = ['application/json', 'application/*+json'];

// The lists replace the parser's own, item by item, so they begin as it does.
const readJson = bodyParser({
  enableTypes: ['json'],
  jsonLimit: LIMIT_BYTES,
  extendTypes: { json: JSON_TYPES },
});
const readText = bodyParser({
  enableTypes: ['json'],
  jsonLimit: LIMIT_BYTES,
  extendTypes: { json: [...JSON_TYPES, 'text/plain'] },
});

/**
 * @returns the parsed body, `{}` where there is none and none is needed.
 * @throws ProblemError 413, 415 or 400, and what the parser throws: `problemOf` knows it
 */
export async function readBody(ctx: ApiContext, rule: BodyRule<TObject>): Promise<unknown> {
  if (!hasBody(ctx)) {
    if (rule.optional) return {};
    throw badRequest('The request needs a JSON body.');
  }
  if (rule.optional && isUntyped(ctx)) {
    const size = await sizeOf(ctx.req);
    if (size === 0) return {};
    assertSmall(size);
  }
  assertReadable(ctx, rule.asText ? [...JSON_TYPES, 'text/plain'] : JSON_TYPES);
  let read = false;
  try {
    await (rule.asText ? readText : readJson)(ctx, async () => {
      read = true;
    });
  } catch (error) {
    // What is left of it, where it is too large: the connection's next request lies behind that.
    ctx.req.resume();
    throw error;
  }
  if (!read) brokenOff();
  return ctx.request.rawBody === '' && !rule.optional ? undefined : ctx.request.body;
}

/** A length of 0 says that there is no body, whatever Content-Type says. */
function hasBody({ req }: ApiContext): boolean {
  if (req.headers['transfer-encoding'] !== undefined) return true;
  const length = req.headers['content-length'];
  return length !== undefined && Number(length) > 0;
}

/** Of no length, and of no type: it is taken if there is nothing in it, and refused otherwise. */
function isUntyped({ req: { headers } }: ApiContext): boolean {
  return headers['transfer-encoding'] !== undefined && headers['content-type'] === undefined;
}

/**
 * Reads it to its end. What is sent in chunks may hold nothing: so HTTP/2 becomes HTTP/1.1 where
 * nothing says a length.
 * @throws ProblemError 400 where it is broken off
 */
async function sizeOf(req: IncomingMessage): Promise<number> {
  let size = 0;
  try {
    for await (const chunk of req) size += (chunk as Buffer).length;
  } catch {
    brokenOff(); // As for a body that is parsed: a stream fails with nothing but that.
  }
  return size;
}

function brokenOff(): never {
  throw badRequest('The request was broken off.');
}

function assertSmall(size: number): void {
  if (size <= LIMIT_BYTES) return;
  throw new ProblemError({ status: 413, detail: 'The body is larger than 16 KiB.' });
}

function assertReadable(ctx: ApiContext, types: string[]): void {
  assertSmall(Number(ctx.req.headers['content-length'] ?? 0));
  // Nothing of 16 KiB is worth inflating, and what is not inflated cannot blow up.
  if ((ctx.req.headers['content-encoding'] ?? 'identity') !== 'identity') {
    throw new ProblemError({ status: 415, detail: 'Send the body without a Content-Encoding.' });
  }
  if (typeof ctx.is(types) === 'string') return;
  throw new ProblemError({ status: 415, detail: `Send the body as ${types[0]}.` });
}
