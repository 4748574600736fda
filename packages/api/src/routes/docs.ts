import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import Type from 'typebox';
import { ProblemError } from '../problem.js';
import { type Reply, type Route, route } from '../route.js';

const PACKAGE = dirname(createRequire(import.meta.url).resolve('swagger-ui-dist/package.json'));

const TYPES = {
  'swagger-ui.css': 'text/css; charset=utf-8',
  'swagger-ui-bundle.js': 'text/javascript; charset=utf-8',
  'favicon-32x32.png': 'image/png',
} as const;

const STARTER = 'start.js';

/** Nothing from anywhere else: the page works on a machine without a network. */
const PAGE = `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>presence: the API</title>
<link rel="icon" type="image/png" href="/docs/favicon-32x32.png">
<link rel="stylesheet" href="/docs/swagger-ui.css">
</head>
<body>
<div id="docs"></div>
<script src="/docs/swagger-ui-bundle.js"></script>
<script src="/docs/${STARTER}"></script>
</body>
</html>
`;

const START = `SwaggerUIBundle({ url: '/openapi.json', dom_id: '#docs', deepLinking: true });\n`;

/** Swagger UI writes style attributes and images as data; it may talk to this service alone. */
const POLICY = [
  "default-src 'none'",
  "script-src 'self'",
  "style-src 'self' 'unsafe-inline'",
  "img-src 'self' data:",
  "connect-src 'self'",
  "base-uri 'none'",
  "form-action 'none'",
  "frame-ancestors 'none'",
].join('; ');

/** @param document makes the OpenAPI document, asked for once */
export function docsRoutes(document: () => unknown): Route[] {
  return [documentRoute(document), pageRoute(), assetRoute()];
}

function documentRoute(document: () => unknown): Route {
  let text: string | undefined;
  return route({
    method: 'GET',
    path: '/openapi.json',
    operationId: 'openapi',
    tag: 'documentation',
    access: 'anyone',
    summary: 'This document',
    answers: { 200: { description: 'OpenAPI 3.1.', schema: Type.Object({}) } },
    handle: () => {
      text ??= JSON.stringify(document());
      return { body: text, headers: { 'Content-Type': 'application/json; charset=utf-8' } };
    },
  });
}

function pageRoute(): Route {
  return route({
    method: 'GET',
    path: '/docs',
    operationId: 'docs',
    tag: 'documentation',
    access: 'anyone',
    summary: 'This document, for people',
    answers: { 200: { description: 'A page.', contentType: 'text/html' } },
    handle: () => file(PAGE, 'text/html; charset=utf-8'),
  });
}

function assetRoute(): Route {
  const files = new Map<string, Reply>();
  return route({
    method: 'GET',
    path: '/docs/{file}',
    operationId: 'docsFile',
    tag: 'documentation',
    access: 'anyone',
    summary: 'A part of the page',
    params: Type.Object({ file: Type.String() }),
    answers: { 200: { description: 'The file.', contentType: '*/*' } },
    problems: [404],
    handle: (_ctx, { params }) => {
      const known = files.get(params.file) ?? asset(params.file);
      files.set(params.file, known);
      return known;
    },
  });
}

/** Read when first asked for: most processes never are. */
function asset(name: string): Reply {
  if (name === STARTER) return file(START, 'text/javascript; charset=utf-8');
  if (!isAsset(name)) throw new ProblemError({ status: 404, detail: 'There is no such file.' });
  return file(readFileSync(join(PACKAGE, name)), TYPES[name]);
}

function isAsset(name: string): name is keyof typeof TYPES {
  return Object.hasOwn(TYPES, name);
}

function file(body: string | Buffer, type: string): Reply {
  return { body, headers: { 'Content-Type': type, 'Content-Security-Policy': POLICY } };
}
