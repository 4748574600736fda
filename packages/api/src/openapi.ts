import type { TSchema } from 'typebox';
import { PROBLEM_TYPE } from './problem.js';
import type { Answer, Route } from './route.js';
import { PROBLEM } from './schemas.js';

const PROBLEMS: Readonly<Record<number, string>> = {
  400: 'The request is not valid; `errors` names the fields at fault.',
  401: 'There is no access token, or it is not good (any more).',
  403: "The token's role does not reach; or whoever logs in belongs to another issuer.",
  404: 'There is no such thing.',
  408: 'The request took too long to arrive.',
  413: 'The body is larger than 16 KiB.',
  415: 'The body is not JSON.',
  429: 'Too many failures. Wait as long as Retry-After says.',
  431: 'The header fields are too large.',
  503: 'Something that the answer needs is away. Try again after Retry-After.',
};

/** What can become of any request, wherever it goes. */
const ALWAYS = [400, 401, 408, 431, 503];

const HEADERS: Readonly<Record<number, Record<string, unknown>>> = {
  401: { 'WWW-Authenticate': header('Bearer', { type: 'string' }) },
  429: { 'Retry-After': header('Seconds.', { type: 'integer', minimum: 1 }) },
  503: { 'Retry-After': header('Seconds.', { type: 'integer', minimum: 1 }) },
};

const AS_OF = {
  'Presence-As-Of': header(
    'How far events have been processed. It stands still while they are not.',
    { type: 'string', format: 'date-time' },
  ),
};

/** The OpenAPI 3.1 document of a route table; every answer under its own status. */
export function openApiDocument(routes: readonly Route[]): Record<string, unknown> {
  const paths: Record<string, Record<string, unknown>> = {};
  for (const route of routes) {
    paths[route.path] = { ...paths[route.path], [route.method.toLowerCase()]: operation(route) };
  }
  return {
    openapi: '3.1.1',
    info: {
      title: 'presence',
      version: '0.1.0',
      description:
        'Who is online, and when was everybody last seen? Every path answers with and without its trailing slash. Every request with an access token is activity and sets its user online, save with `Presence-Mode: passive`.',
      license: { name: 'MIT', identifier: 'MIT' },
    },
    servers: [{ url: '/' }],
    tags: [...new Set(routes.map(({ tag }) => tag))].map((name) => ({ name })),
    paths,
    components: {
      schemas: { Problem: PROBLEM },
      securitySchemes: { bearer: { type: 'http', scheme: 'bearer', bearerFormat: 'JWT' } },
    },
  };
}

function operation(route: Route): Record<string, unknown> {
  const { operationId, tag, summary, description, access, body } = route;
  return {
    operationId,
    tags: [tag],
    summary,
    ...(description !== undefined && { description }),
    security: access === 'anyone' ? [] : [{ bearer: [] }],
    parameters: parameters(route),
    ...(body && { requestBody: requestBody(body) }),
    responses: responses(route),
  };
}

function parameters({ params, query, access }: Route): unknown[] {
  const fields = (place: 'path' | 'query', schema: typeof params) =>
    Object.entries(schema?.properties ?? {}).map(([name, property]) => ({
      name,
      in: place,
      required: place === 'path',
      schema: property,
    }));
  const passive = {
    name: 'Presence-Mode',
    in: 'header',
    description: '`passive`: no person is behind this request; it is no activity.',
    schema: { type: 'string', examples: ['passive'] },
  };
  const own = [...fields('path', params), ...fields('query', query)];
  return access === 'anyone' ? own : [...own, passive];
}

function requestBody({ schema, optional, asText }: NonNullable<Route['body']>) {
  const types = asText ? ['application/json', 'text/plain'] : ['application/json'];
  return {
    required: !optional,
    content: Object.fromEntries(types.map((type) => [type, { schema }])),
  };
}

function responses(route: Route): Record<string, unknown> {
  const answers = Object.entries(route.answers).map(([status, answer]) => [
    status,
    success(answer),
  ]);
  const problems = problemStatuses(route).map((status) => [status, problem(status)]);
  return Object.fromEntries([...answers, ...problems]);
}

function problemStatuses({ access, body, problems = [] }: Route): number[] {
  const own = [...(access === 'anyone' ? [] : [403]), ...(body ? [413, 415] : []), ...problems];
  return [...new Set([...ALWAYS, ...own])].sort((a, b) => a - b);
}

function success({ description, schema, contentType, example, dated }: Answer) {
  const type = contentType ?? 'application/json';
  const content = { ...(schema && { schema }), ...(example !== undefined && { example }) };
  return { description, ...(dated && { headers: AS_OF }), content: { [type]: content } };
}

function problem(status: number) {
  const headers = HEADERS[status];
  return {
    description: PROBLEMS[status],
    ...(headers && { headers }),
    content: { [PROBLEM_TYPE]: { schema: { $ref: '#/components/schemas/Problem' } as TSchema } },
  };
}

function header(description: string, schema: Record<string, unknown>) {
  return { description, schema };
}
