import type { IncomingMessage, RequestListener, ServerResponse } from 'node:http';
import type { Millis, UserId } from '@presence/domain';
import { type AuthenticationOptions, identify } from './authentication.js';
import type { Caller } from './context.js';
import { allowedOrigin, EXPOSED } from './headers.js';
import { requestIdOf } from './observation.js';
import type { RequestMetrics } from './request-metrics.js';
import { HEARTBEAT_PATH } from './routes/me.js';
import type { ApiServices } from './services.js';
import { formatTime } from './wire-time.js';

type LaneServices = AuthenticationOptions &
  Pick<ApiServices, 'publisher' | 'watch' | 'readiness' | 'settings' | 'logger' | 'now'>;

type KnownCaller = Caller & { readonly userId: UserId };

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

/**
 * Answers the plain heartbeat, without a body and of somebody who is known, before a framework
 * takes it up: nearly all that this process is asked. What is in any way special goes the general
 * road, which would answer a plain one the same; `heartbeat-lane.test.ts` holds them together.
 */
export class HeartbeatLane {
  readonly #services: LaneServices;
  readonly #metrics: RequestMetrics;
  readonly #nextIn: number;
  /** It moves a few times a second. */
  #asOf = { time: Number.NaN, text: '' };

  constructor(services: LaneServices, metrics: RequestMetrics) {
    this.#services = services;
    this.#metrics = metrics;
    this.#nextIn = services.settings.heartbeatInterval / 1_000;
  }

  /** @param road where all other requests go */
  before(road: RequestListener): RequestListener {
    return (request, response) => {
      if (!this.#hasServed(request, response)) road(request, response);
    };
  }

  /** Whatever is thrown is thrown on the general road as well, which knows how to say so. */
  #hasServed(request: IncomingMessage, response: ServerResponse): boolean {
    try {
      return this.#serve(request, response);
    } catch {
      return false;
    }
  }

  /** @returns whether it has answered; if not, nothing has been done */
  #serve(request: IncomingMessage, response: ServerResponse): boolean {
    if (!isPlain(request) || !this.#isOpen()) return false;
    const began = performance.now();
    const caller = this.#callerOf(request.headers.authorization!);
    if (caller === null) return false;
    const { publisher, now } = this.#services;
    const occurredAt = now();
    const { userId: user, token } = caller;
    const { sessionId } = token;
    publisher.record({ type: 'heartbeat', user, occurredAt, status: 'online', sessionId });
    this.#answer(request, response, formatTime(occurredAt));
    const seconds = (performance.now() - began) / 1_000;
    this.#metrics.observe('POST', HEARTBEAT_PATH, 200, seconds);
    return true;
  }

  /** Each of these is told to the client in another way, or to the log. */
  #isOpen(): boolean {
    const { publisher, readiness, logger } = this.#services;
    return publisher.accepting && !readiness.draining && !logger.isLevelEnabled('debug');
  }

  /** `null`: not known at once, or not to be answered here. @throws Unauthenticated */
  #callerOf(header: string): KnownCaller | null {
    const caller = identify(header, this.#services);
    if (caller instanceof Promise) {
      caller.catch(() => {}); // The general road asks again, and is told the same.
      return null;
    }
    const { userId, token } = caller;
    const hasEnded = userId !== null && this.#services.ended.has(userId, token.sessionId);
    return userId === null || hasEnded ? null : { ...caller, userId };
  }

  #answer({ headers }: IncomingMessage, response: ServerResponse, lastSeen: string): void {
    const { watch, settings } = this.#services;
    const body = `{"message":"Heartbeat recorded","online_status":"online","last_seen":"${lastSeen}","next_heartbeat_in":${this.#nextIn}}`;
    const fields = [
      ...['X-Request-Id', requestIdOf(headers['x-request-id'])],
      ...FIXED,
      ...['Content-Length', String(body.length)],
    ];
    if (watch.asOf !== undefined) fields.push('Presence-As-Of', this.#asOfText(watch.asOf));
    const origin = headers.origin && allowedOrigin(headers.origin, settings.corsOrigins);
    if (origin) {
      fields.push('Access-Control-Allow-Origin', origin);
      fields.push('Access-Control-Expose-Headers', EXPOSED.join(','));
    }
    response.writeHead(200, fields);
    response.end(body);
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
