import type { IncomingMessage, RequestListener, Server, ServerResponse } from 'node:http';
import type { Socket } from 'node:net';
import type { AccessToken, Millis, UserId } from '@presence/domain';
import { type AuthenticationOptions, identify, identifyBearer } from './authentication.js';
import type { Caller } from './context.js';
import { allowedOrigin, EXPOSED } from './headers.js';
import { requestIdOf } from './observation.js';
import { RepeatedRequests } from './repeated-requests.js';
import type { Durations, RequestMetrics } from './request-metrics.js';
import { HEARTBEAT_PATH } from './routes/me.js';
import type { ApiServices } from './services.js';
import { TurnCork } from './turn-cork.js';
import { formatTime } from './wire-time.js';

type LaneServices = AuthenticationOptions &
  Pick<ApiServices, 'publisher' | 'watch' | 'readiness' | 'settings' | 'logger' | 'now'>;

const PATHS: ReadonlySet<string | undefined> = new Set([
  HEARTBEAT_PATH,
  HEARTBEAT_PATH.slice(0, -1),
]);

/** What the general road sets on each of its answers. */
const FIXED = [
  ...['Cache-Control', 'no-store'],
  ...['Content-Security-Policy', "default-src 'none';frame-ancestors 'none'"],
  ...['Cross-Origin-Opener-Policy', 'same-origin'],
  ...['Cross-Origin-Resource-Policy', 'same-origin'],
  ...['Referrer-Policy', 'no-referrer'],
  ...['X-Content-Type-Options', 'nosniff'],
  ...['X-Frame-Options', 'SAMEORIGIN'],
  ...['Vary', 'Origin'],
  ...['Content-Type', 'application/json; charset=utf-8'],
];
const FIXED_LINES = linesOf(FIXED);

/**
 * Answers the plain heartbeat, without a body and of somebody who is known, before a framework
 * takes it up: nearly all that this process is asked. What is in any way special goes the general
 * road, which would answer a plain one the same; `heartbeat-lane.test.ts` holds them together.
 */
export class HeartbeatLane {
  readonly #services: LaneServices;
  readonly #durations: Durations;
  readonly #repeated = new RepeatedRequests();
  readonly #turn = new TurnCork();
  readonly #nextIn: number;
  /** What Node adds to an answer after which the connection stays, but for the date. */
  readonly #keepAliveLines: string;
  /** It moves a few times a second. */
  #asOf = { time: Number.NaN, text: '' };
  #date = { second: Number.NaN, line: '' };

  constructor(services: LaneServices, metrics: RequestMetrics) {
    const { heartbeatInterval, keepAliveTimeout } = services.settings;
    this.#services = services;
    this.#durations = metrics.series('POST', HEARTBEAT_PATH, 200);
    this.#nextIn = heartbeatInterval / 1_000;
    const timeout = Math.floor(keepAliveTimeout / 1_000);
    this.#keepAliveLines = linesOf([
      'Connection',
      'keep-alive',
      'Keep-Alive',
      `timeout=${timeout}`,
    ]);
  }

  /** @param road where all other requests go */
  before(road: RequestListener): RequestListener {
    return (request, response) => {
      this.#repeated.noteParsed(request);
      if (!this.#hasServed(request, response)) road(request, response);
    };
  }

  /** @param server whose requests it is that the listener is given */
  attach(server: Server): void {
    this.#repeated.attach(server);
  }

  /** Whatever is thrown is thrown on the general road as well, which knows how to say so. */
  #hasServed(request: IncomingMessage, response: ServerResponse): boolean {
    try {
      return isPlain(request) && this.#serve(request, response);
    } catch {
      return false;
    }
  }

  /** @returns whether it has answered; if not, nothing has been done */
  #serve(request: IncomingMessage, response: ServerResponse): boolean {
    const { authorization = '', origin, 'x-request-id': requestId } = request.headers;
    const began = performance.now();
    const occurredAt = this.#isOpen()
      ? this.#record(identify(authorization, this.#services))
      : null;
    if (occurredAt === null) return false;
    const body = this.#body(occurredAt);
    const permission = this.#permission(origin);
    const fields = [...this.#fields(requestId, body), ...permission];
    response.writeHead(200, [...FIXED, ...fields]);
    response.end(body);
    this.#observe(began);
    // With an id of its own, no request is like another.
    if (requestId === undefined) {
      const fixed = FIXED_LINES + linesOf(permission);
      this.#repeated.noteAnswered(request, response, (token, socket) =>
        this.#hasServedAgain(token, fixed, socket),
      );
    }
    return true;
  }

  /**
   * The same for a request that is like one that was served. It is parsed where this throws. The
   * token is taken as it stands: put behind a scheme, to be taken out of it again, a heartbeat cost
   * 1.06 times the processor time, and 1.02 times where its characters are looked at first. What no
   * token may hold is in none that has been verified, and verification refuses it.
   */
  #hasServedAgain(token: string, fixed: string, socket: Socket): boolean {
    try {
      const began = performance.now();
      if (!this.#isOpen()) return false;
      const occurredAt = this.#record(identifyBearer(token, this.#services));
      if (occurredAt === null) return false;
      const body = this.#body(occurredAt);
      const lines = fixed + linesOf(this.#fields(undefined, body)) + this.#dateLine();
      const head = `HTTP/1.1 200 OK\r\n${lines}${this.#keepAliveLines}\r\n`;
      this.#turn.hold(socket);
      socket.write(head + body, 'latin1');
      this.#observe(began);
      return true;
    } catch {
      return false;
    }
  }

  /** @returns when it occurred; `null` where nothing has been done */
  #record(caller: Caller | Promise<Caller>): Millis | null {
    if (caller instanceof Promise) {
      caller.catch(() => {}); // The general road asks again, and is told the same.
      return null;
    }
    const { userId: user, token } = caller;
    if (!this.#isPlainlyThere(user, token)) return null;
    const { publisher, now } = this.#services;
    const occurredAt = now();
    const { sessionId } = token;
    publisher.record({ type: 'heartbeat', user, occurredAt, status: 'online', sessionId });
    return occurredAt;
  }

  #observe(began: number): void {
    this.#durations.observe((performance.now() - began) / 1_000);
  }

  /** Each of these is told to the client in another way, or to the log. */
  #isOpen(): boolean {
    const { publisher, readiness, logger } = this.#services;
    return publisher.accepting && !readiness.draining && !logger.isLevelEnabled('debug');
  }

  /** Others are said something else, or are to be said once more. */
  #isPlainlyThere(userId: UserId | null, token: AccessToken): userId is UserId {
    const { ended, directory } = this.#services;
    if (userId === null || directory.lookUp(token) !== undefined) return false;
    return !ended.has(userId, token.sessionId);
  }

  #body(lastSeen: Millis): string {
    return `{"message":"Heartbeat recorded","online_status":"online","last_seen":"${formatTime(lastSeen)}","next_heartbeat_in":${this.#nextIn}}`;
  }

  /** Those that differ between answers. */
  #fields(requestId: string | string[] | undefined, body: string): string[] {
    const { asOf } = this.#services.watch;
    const fields = [
      ...['X-Request-Id', requestIdOf(requestId)],
      ...['Content-Length', String(body.length)],
    ];
    if (asOf !== undefined) fields.push('Presence-As-Of', this.#asOfText(asOf));
    return fields;
  }

  /** What tells a browser that a page of this origin may read the answer. */
  #permission(origin: string | undefined): string[] {
    const allowed = origin && allowedOrigin(origin, this.#services.settings.corsOrigins);
    if (!allowed) return [];
    return [
      ...['Access-Control-Allow-Origin', allowed],
      ...['Access-Control-Expose-Headers', EXPOSED.join(',')],
    ];
  }

  #dateLine(): string {
    const second = Math.floor(Date.now() / 1_000);
    if (second !== this.#date.second) {
      this.#date = { second, line: linesOf(['Date', new Date(second * 1_000).toUTCString()]) };
    }
    return this.#date.line;
  }

  #asOfText(time: Millis): string {
    if (time !== this.#asOf.time) this.#asOf = { time, text: formatTime(time) };
    return this.#asOf.text;
  }
}

/** A heartbeat that says nothing but that somebody is there. */
function isPlain({ method, url, headers }: IncomingMessage): boolean {
  return (
    method === 'POST' &&
    PATHS.has(url) &&
    headers.authorization !== undefined &&
    headers.host !== undefined &&
    (headers['content-length'] ?? '0') === '0' &&
    headers['transfer-encoding'] === undefined &&
    headers['presence-mode'] === undefined &&
    headers.expect === undefined
  );
}

/** @param fields names and values by turns */
function linesOf(fields: readonly string[]): string {
  let lines = '';
  for (let at = 0; at < fields.length; at += 2) lines += `${fields[at]}: ${fields[at + 1]}\r\n`;
  return lines;
}
