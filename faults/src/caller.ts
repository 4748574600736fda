import type { Agent } from 'node:http';
import {
  type EventType,
  type Millis,
  NO_SESSION,
  type SessionId,
  type Status,
} from '@presence/domain';
import { newSession, type Person } from '@presence/test-services/system';
import type { Fate } from './claim.js';
import { type Answer, type Ask, ask, Unanswered } from './http.js';
import type { Ledger } from './ledger.js';

/** A person as a client has them: the token changes with every session. */
export interface Someone extends Person {
  token: string;
  sessionId: SessionId;
  signedOut: boolean;
  /** When the token expires, where that may be during a case. */
  expiresAt: Millis;
}

export function someone(person: Person): Someone {
  return { ...person, signedOut: false, expiresAt: Number.POSITIVE_INFINITY };
}

/** Whether they have to sign in before they speak again. */
export function mustSignIn({ signedOut, expiresAt }: Someone): boolean {
  return signedOut || Date.now() > expiresAt - EXPIRES_SOON;
}

export interface Call extends Answer {
  /** Milliseconds, by the client's monotonic clock. */
  readonly took: number;
}

/** What an answer, or none, says of the event behind it. */
interface Meaning {
  readonly type: EventType;
  readonly status: Status;
  readonly sessionId: SessionId | null;
}

/** How much later than the client gave up the service may still take a request up. */
const STRAGGLES = 30_000;
/** A client does not use a token that may expire on the way. */
const EXPIRES_SOON = 30_000;
const PASSWORD = 'a password of all of them';

const REMEMBERED = 5;

/** Speaks to an API, and writes down what it is told. One request a person at a time. */
export class Caller {
  readonly #ledger: Ledger;
  readonly #agent: Agent | undefined;
  /** The last requests without an answer, and why there was none. */
  readonly silences: string[] = [];

  /** @param agent with connections of its own */
  constructor(ledger: Ledger, agent?: Agent) {
    this.#ledger = ledger;
    this.#agent = agent;
  }

  /** @returns the answer; `null` without one */
  heartbeat(api: string, who: Someone, status?: 'online' | 'away'): Promise<Call | null> {
    const meaning = { type: 'heartbeat', status: status ?? 'online', ...who } as const;
    const body = status === undefined ? undefined : { status };
    return this.#call(api, who, meaning, { path: '/api/users/heartbeat/', body });
  }

  /** A request that is merely tracked. */
  me(api: string, who: Someone): Promise<Call | null> {
    const meaning = { type: 'activity', status: 'online', ...who } as const;
    return this.#call(api, who, meaning, { path: '/api/users/me/', method: 'GET' });
  }

  /** Takes the session of the answer; without one, another. */
  async login(api: string, who: Someone): Promise<Call | null> {
    const meaning = { type: 'login', status: 'online', sessionId: null } as const;
    const body = { username: who.username, password: PASSWORD };
    const call = await this.#call(api, who, meaning, { path: '/api/users/login/', body });
    if (call?.code === 200) this.#enter(who, call.body.access);
    else this.reenter(who);
    return call;
  }

  /** Whatever comes of it, the token is not used again. */
  async logout(api: string, who: Someone): Promise<Call | null> {
    const meaning = { type: 'logout', status: 'offline', sessionId: who.sessionId } as const;
    const call = await this.#call(api, who, meaning, { path: '/api/users/logout/' });
    who.signedOut = true;
    return call;
  }

  /** Signs in with a token that another instance issued: without a word to this one. */
  reenter(who: Someone): void {
    Object.assign(who, someone({ ...who, ...newSession(who) }));
  }

  async set(api: string, admin: Someone, who: Someone, status: Status): Promise<Call | null> {
    const path = `/api/users/admin/users/${who.userId}/set-online-status/`;
    const meaning = { type: 'status_set', status, sessionId: NO_SESSION } as const;
    const sentAt = Date.now();
    const call = await this.#call(api, who, meaning, {
      path,
      token: admin.token,
      body: { status },
    });
    this.#noteActivity(api, admin, sentAt, call);
    return call;
  }

  async #call(
    api: string,
    who: Someone,
    meaning: Meaning,
    { path, ...options }: Partial<Ask> & { path: string },
  ): Promise<Call | null> {
    const anonymous = meaning.type === 'login';
    const sentAt = Date.now();
    const began = performance.now();
    const asked = {
      method: 'POST',
      url: api + path,
      ...(this.#agent && { agent: this.#agent }),
      ...(anonymous ? {} : { token: who.token }),
      ...options,
    } as const;
    try {
      const answer = await ask(asked);
      this.#noteAnswer(api, who, meaning, sentAt, answer);
      return { ...answer, took: performance.now() - began };
    } catch (error) {
      if (!(error instanceof Unanswered)) throw error;
      this.silences.push(`${meaning.type} of ${who.userId} at ${api}: ${error.message}`);
      if (this.silences.length > REMEMBERED) this.silences.shift();
      if (error.sent) this.#noteSilence(api, who, meaning, sentAt, error);
      return null;
    }
  }

  #noteAnswer(api: string, who: Someone, meaning: Meaning, sentAt: number, answer: Answer): void {
    const { code, body } = answer;
    const answeredAt = Date.now();
    const fate = fateOf(meaning.type, code);
    if (fate === null) {
      this.#ledger.wonder(`${meaning.type} of ${who.userId}: ${code} ${JSON.stringify(body)}`);
      return;
    }
    const sessionId =
      meaning.type === 'login' && code === 200 ? claimsOf(body.access).sid : meaning.sessionId;
    this.#ledger.write({
      ...{ userId: who.userId, type: meaning.type, status: meaning.status, sessionId },
      ...stamped(meaning.type, answer, sentAt, answeredAt),
      ...{ source: api, code, fate, sentAt, answeredAt, body },
    });
  }

  #noteSilence(api: string, who: Someone, meaning: Meaning, sentAt: number, error: Error): void {
    const answeredAt = Date.now();
    const { type, status, sessionId } = meaning;
    this.#ledger.write({
      ...{ userId: who.userId, type, status, sessionId },
      ...{ earliest: sentAt, latest: answeredAt + STRAGGLES, source: api, code: 0 },
      ...{ fate: 'uncertain', sentAt, answeredAt, body: error.message },
    });
  }

  /** An admin's request is activity of the admin, whatever comes of it. */
  #noteActivity(api: string, admin: Someone, sentAt: number, call: Call | null): void {
    const answeredAt = Date.now();
    const latest = call === null ? answeredAt + STRAGGLES : answeredAt;
    const { userId, sessionId } = admin;
    const fate = call !== null && call.code < 300 ? 'certain' : 'uncertain';
    this.#ledger.write({
      ...{ userId, type: 'activity', status: 'online', sessionId, earliest: sentAt, latest },
      ...{ source: api, code: call?.code ?? 0, fate, sentAt, answeredAt },
    });
  }

  #enter(who: Someone, token: string): void {
    const { sid: sessionId, exp } = claimsOf(token);
    Object.assign(who, { token, sessionId, signedOut: false, expiresAt: exp * 1_000 });
  }
}

export { PASSWORD };

/** What an answer's code promises; `null`: no client should ever be told this. */
function fateOf(type: EventType, code: number): Fate | null {
  if (code === 200 || (code === 202 && type === 'status_set')) return 'certain';
  // Not promised: it may be in memory, or on the queue, all the same.
  return code === 503 ? 'uncertain' : null;
}

/** When the event was stamped, as far as the answer tells. */
function stamped(type: EventType, { code, body }: Answer, sentAt: number, answeredAt: number) {
  const around = { earliest: sentAt, latest: answeredAt };
  if (code >= 300) return around;
  const told = type === 'login' ? body.user.last_seen : body.last_seen;
  const seen = Date.parse(told);
  // A heartbeat's own time, and that of what is not committed yet; else the row's, which is the
  // event's own unless something later is in it.
  if (type === 'heartbeat' || code === 202) return { earliest: seen, latest: seen };
  return { earliest: Math.min(sentAt, seen), latest: Math.max(seen, answeredAt) };
}

function claimsOf(token: string): { sid: SessionId; exp: number } {
  return JSON.parse(Buffer.from(token.split('.')[1]!, 'base64url').toString());
}
