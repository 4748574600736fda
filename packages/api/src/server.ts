import { createServer, type RequestListener, type Server, STATUS_CODES } from 'node:http';
import type { AddressInfo, Socket } from 'node:net';
import { setImmediate as nextTurn } from 'node:timers/promises';
import type { Duration } from '@presence/domain';
import { allowedOrigin, EXPOSED } from './headers.js';
import { PROBLEM_TYPE, type Problem, problemDocument } from './problem.js';

export interface ServerSettings {
  readonly keepAliveTimeout: Duration;
  readonly requestTimeout: Duration;
  /** How long a client may take nothing of its answer. Default 30 s. */
  readonly answerTimeout?: Duration;
  /** Whose pages may read what the parser answers; `*`: all. Default none. */
  readonly corsOrigins?: readonly string[];
}

/** Of a request that Node has not understood; of one that came too slowly there is no packet. */
type ClientError = NodeJS.ErrnoException & { readonly rawPacket?: Buffer };

const MAX_HEADER_BYTES = 16_384;
/** Longer than a request may take to arrive: whoever is late is told so. */
const ANSWER_TIMEOUT: Duration = 30_000;
/** How often slow clients are looked for. */
const CHECK_INTERVAL: Duration = 1_000;
/** How long a client that was refused by the parser gets to read why. */
const LINGER: Duration = 1_000;

/**
 * An HTTP server every limit of which is set here, and whose parser answers with problem
 * documents: without a listener of its own Node answers with a bare status line.
 */
export function createHttpServer(settings: ServerSettings, listener: RequestListener): Server {
  const { keepAliveTimeout, requestTimeout, corsOrigins = [] } = settings;
  const pages = new WeakMap<Socket, string>();
  const server = createServer(
    {
      maxHeaderSize: MAX_HEADER_BYTES,
      keepAliveTimeout,
      requestTimeout,
      headersTimeout: requestTimeout,
      connectionsCheckingInterval: Math.min(CHECK_INTERVAL, requestTimeout),
      // Else Node answers such a request by itself, without a problem document.
      requireHostHeader: false,
      noDelay: true,
    },
    listener,
  );
  server.timeout = settings.answerTimeout ?? ANSWER_TIMEOUT;
  server.on('clientError', ({ code, rawPacket }: ClientError, socket: Socket) => {
    const origin = originIn(rawPacket) ?? pages.get(socket);
    refuse(socket, parserProblem(code), permission(origin, corsOrigins));
  });
  // A body that comes too slowly is refused without its head.
  if (corsOrigins.length > 1) {
    server.on('request', ({ socket, headers: { origin } }) => {
      if (origin !== undefined) pages.set(socket, origin);
    });
  }
  // An expectation that is not known here may be ignored: 417 is no answer of this API.
  server.on('checkExpectation', listener);
  server.on('connect', (_request, socket: Socket) => {
    refuse(socket, { status: 400, detail: 'This is no proxy.' }, []);
  });
  return server;
}

export async function listen(server: Server, port: number, host: string): Promise<AddressInfo> {
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject);
    server.listen({ port, host, backlog: 4_096 }, () => {
      server.off('error', reject);
      resolve();
    });
  });
  const address = server.address();
  if (address === null || typeof address === 'string') throw new Error('The server has no port.');
  return address;
}

/**
 * Takes no more connections and waits, up to `timeout`, for the requests under way. Heartbeats of this
 * turn are answered at its end, and the parser, which has not seen them, would call their connections
 * idle.
 */
export async function closeServer(server: Server, timeout: Duration): Promise<void> {
  await nextTurn();
  const closed = new Promise<void>((resolve) => server.close(() => resolve()));
  const idle = setInterval(() => server.closeIdleConnections(), 50);
  const late = setTimeout(() => server.closeAllConnections(), timeout);
  await closed;
  clearInterval(idle);
  clearTimeout(late);
}

function parserProblem(code: string | undefined): Problem {
  switch (code) {
    case 'ERR_HTTP_REQUEST_TIMEOUT':
      return { status: 408, detail: 'The request took too long to arrive.' };
    case 'HPE_HEADER_OVERFLOW':
      return { status: 431, detail: 'The header fields are larger than 16 KiB.' };
    default:
      return { status: 400, detail: 'This is not HTTP.' };
  }
}

function originIn(packet: Buffer | undefined): string | undefined {
  return /\r\norigin:[ \t]*([^\r\n]*)/i.exec(packet?.toString('latin1') ?? '')?.[1];
}

/**
 * The lines that let a page read the answer. Where nothing tells whose page it is, it is told to the
 * only one that may be, as it is to that of the connection's last request: to any other it means nothing.
 */
function permission(origin: string | undefined, origins: readonly string[]): string[] {
  const allowed = allowedOrigin(origin ?? (origins.length === 1 ? origins[0]! : ''), origins);
  if (allowed === '') return [];
  return [
    `Access-Control-Allow-Origin: ${allowed}`,
    `Access-Control-Expose-Headers: ${EXPOSED.join(',')}`,
  ];
}

function refuse(socket: Socket, problem: Problem, permission: readonly string[]): void {
  if (!socket.writable) {
    socket.destroy();
    return;
  }
  socket.on('error', () => socket.destroy());
  socket.end(rawAnswer(problem, permission));
  // What is still being sent is read and dropped: a reset would take the answer with it.
  socket.removeAllListeners('data').resume();
  setTimeout(() => socket.destroy(), LINGER).unref();
}

function rawAnswer(problem: Problem, permission: readonly string[]): string {
  const body = problemDocument(problem);
  return [
    `HTTP/1.1 ${problem.status} ${STATUS_CODES[problem.status]}`,
    `Content-Type: ${PROBLEM_TYPE}`,
    `Content-Length: ${Buffer.byteLength(body)}`,
    'Cache-Control: no-store',
    ...permission,
    'Connection: close',
    '',
    body,
  ].join('\r\n');
}
