import { Agent, request as send } from 'node:http';

export interface Answer {
  readonly code: number;
  readonly retryAfter: number | null;
  // biome-ignore lint/suspicious/noExplicitAny: what is read of an answer is what it is held to.
  readonly body: any;
}

/** There was no answer. */
export class Unanswered extends Error {
  override readonly name = 'Unanswered';
  constructor(
    /** Whether the request may have got there. */
    readonly sent: boolean,
    cause: Error,
  ) {
    super(cause.message, { cause });
  }
}

export interface Ask {
  readonly method: 'GET' | 'POST';
  readonly url: string;
  readonly token?: string | undefined;
  readonly body?: unknown;
  /** No person is behind it. */
  readonly passive?: boolean;
  /** Default: connections of all, that stay open. */
  readonly agent?: Agent;
  /** Milliseconds without an answer. Default 30 s: the machine may be busy. */
  readonly patience?: number;
}

const PATIENCE = 30_000;
/**
 * Many connections that stay open, as a load balancer keeps them. Idle ones are let go long before
 * the service does so, after 75 s: else a request may meet the end of its connection.
 */
const AGENT = new Agent({
  ...{ keepAlive: true, maxSockets: 512, maxFreeSockets: 512 },
  timeout: PATIENCE,
});

/** `fetch` takes four times as long for this. @throws Unanswered */
export function ask({
  method,
  url,
  token,
  body,
  passive,
  agent = AGENT,
  patience = PATIENCE,
}: Ask): Promise<Answer> {
  return new Promise((resolve, reject) => {
    const text = body === undefined ? undefined : JSON.stringify(body);
    const headers = {
      ...(token === undefined ? {} : { authorization: `Bearer ${token}` }),
      ...(passive ? { 'presence-mode': 'passive' } : {}),
      ...(text === undefined
        ? {}
        : { 'content-type': 'application/json', 'content-length': Buffer.byteLength(text) }),
    };
    const request = send(url, { method, headers, agent, timeout: patience });
    const fail = (error: Error) => reject(new Unanswered(wasSent(error), error));
    request.on('timeout', () => request.destroy(new Error(`No answer for ${patience} ms`)));
    request.on('error', fail);
    request.on('response', (response) => {
      const chunks: Buffer[] = [];
      response.on('data', (chunk: Buffer) => chunks.push(chunk));
      response.on('error', fail);
      response.on('end', () => {
        const code = response.statusCode ?? 0;
        const retryAfter = response.headers['retry-after'];
        const told = Buffer.concat(chunks).toString();
        resolve({
          code,
          retryAfter: retryAfter === undefined ? null : Number(retryAfter),
          body: told === '' ? undefined : JSON.parse(told),
        });
      });
    });
    request.end(text);
  });
}

function wasSent(error: NodeJS.ErrnoException): boolean {
  return error.code !== 'ECONNREFUSED';
}
