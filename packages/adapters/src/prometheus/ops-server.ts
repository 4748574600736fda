import { once } from 'node:events';
import { createServer, type Server, type ServerResponse } from 'node:http';
import type { Registry } from 'prom-client';

export interface Health {
  /** Whether requests, or work, had better go elsewhere. */
  readonly unready: boolean;
  /** What to tell: `{status, missing}` and whatever helps an operator. */
  readonly report: object;
}

export interface OpsOptions {
  readonly host: string;
  readonly port: number;
  readonly registry: Pick<Registry, 'metrics' | 'contentType'>;
  readonly health: () => Health;
}

export interface OpsServer {
  readonly port: number;
  close(): Promise<void>;
}

/** Serves /metrics, /health/live and /health/ready for operators; not for the public. */
export async function startOpsServer(options: OpsOptions): Promise<OpsServer> {
  const server = createServer((request, response) => {
    const path = (request.url ?? '/').replace(/\?.*$/, '').replace(/\/$/, '');
    answer(path, options, response).catch((error: unknown) => {
      response.writeHead(500).end(`${error instanceof Error ? error.message : error}\n`);
    });
  });
  server.requestTimeout = 10_000;
  server.headersTimeout = 5_000;
  server.listen(options.port, options.host);
  await once(server, 'listening');
  return { port: portOf(server), close: () => close(server) };
}

async function answer(path: string, options: OpsOptions, response: ServerResponse): Promise<void> {
  response.setHeader('Cache-Control', 'no-store');
  if (path === '/metrics') {
    response.setHeader('Content-Type', options.registry.contentType);
    response.end(await options.registry.metrics());
  } else if (path === '/health/live') {
    sendJson(response, 200, { status: 'ok' });
  } else if (path === '/health/ready') {
    const { unready, report } = options.health();
    sendJson(response, unready ? 503 : 200, report);
  } else {
    sendJson(response, 404, { title: 'Not Found', status: 404 });
  }
}

function sendJson(response: ServerResponse, status: number, body: object): void {
  response.writeHead(status, { 'Content-Type': 'application/json' }).end(JSON.stringify(body));
}

function portOf(server: Server): number {
  const address = server.address();
  return typeof address === 'object' && address !== null ? address.port : 0;
}

async function close(server: Server): Promise<void> {
  server.close();
  server.closeAllConnections();
  await once(server, 'close');
}
