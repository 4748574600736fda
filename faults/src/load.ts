import { createHistogram, type RecordableHistogram } from 'node:perf_hooks';
import type { Status } from '@presence/domain';
import { type Call, type Caller, mustSignIn, type Someone } from './caller.js';
import { ask } from './http.js';

export interface LoadOptions {
  readonly people: readonly Someone[];
  readonly admins: readonly Someone[];
  /** Requests a second that are heartbeats or merely tracked. */
  readonly rate: number;
  /** Logins, logouts and statuses set by admins, a second. Default: a tenth of `rate`. */
  readonly transitions?: number;
  /** Where people may speak to, at this moment. */
  readonly addresses: () => readonly string[];
  /** Numbers in [0, 1). */
  readonly random: () => number;
}

export type Kind = 'heartbeat' | 'tracked' | 'login' | 'logout' | 'set';

/** What became of the requests of one kind. */
export interface Tally {
  /** By HTTP status; 0: none came. */
  readonly codes: Map<number, number>;
  /** How many said when to try again. */
  retries: number;
  /** Microseconds, by code. */
  readonly took: Map<number, RecordableHistogram>;
}

const TURN = 5;
/** Requests on their way to one API; a load balancer sends what comes beyond to the others. */
const MOST_AT_ONCE = 256;
const STATUSES: readonly Status[] = ['online', 'away', 'offline'];

/**
 * People who use the service, at a rate that does not yield when answers are slow. Each has one
 * request on the way at a time, as a browser tab has, so that each answer tells about its own.
 */
export class Load {
  readonly #options: LoadOptions;
  readonly #caller: Caller;
  /** Those with nothing on the way, the longest idle first. */
  readonly #idle: Someone[];
  readonly #running = new Set<Promise<void>>();
  /** How many requests are on their way to each API. */
  readonly #busy = new Map<string, number>();
  readonly tallies: Readonly<Record<Kind, Tally>> = {
    heartbeat: newTally(),
    tracked: newTally(),
    login: newTally(),
    logout: newTally(),
    set: newTally(),
  };
  /** How long `/health/live` takes meanwhile, microseconds: what the client itself costs. */
  readonly live = createHistogram();
  #timer: NodeJS.Timeout | undefined;
  #probe: NodeJS.Timeout | undefined;
  #turnAt = 0;
  #due = 0;
  #dueTransitions = 0;
  #turns = 0;
  /** Requests that were due and had nobody to send them, or no API to take them. */
  heldBack = 0;

  constructor(caller: Caller, options: LoadOptions) {
    this.#options = options;
    this.#caller = caller;
    this.#idle = [...options.people];
  }

  /** How many requests were answered 200: a fault that nobody meets proves nothing. */
  get served(): number {
    const counts = Object.values(this.tallies).map(({ codes }) => codes.get(200) ?? 0);
    return counts.reduce((sum, count) => sum + count, 0);
  }

  start(): void {
    this.#turnAt = performance.now();
    this.#timer = setInterval(() => this.#turn(), TURN);
    this.#probe = setInterval(() => this.#probeLive(), 100);
  }

  /** Resolves once every request that is on the way has an answer. */
  async stop(): Promise<void> {
    clearInterval(this.#timer);
    clearInterval(this.#probe);
    while (this.#running.size > 0) await Promise.all(this.#running);
  }

  #turn(): void {
    const now = performance.now();
    const seconds = (now - this.#turnAt) / 1_000;
    this.#turnAt = now;
    const { rate, transitions = rate / 10 } = this.#options;
    this.#due += rate * seconds;
    this.#dueTransitions += transitions * seconds;
    // The few first: on a machine that cannot keep up, heartbeats would leave them no room.
    for (; this.#dueTransitions >= 1; this.#dueTransitions--) {
      this.#begin((api, who) => this.#transit(api, who));
    }
    for (; this.#due >= 1; this.#due--) this.#begin((api, who) => this.#speak(api, who));
  }

  #begin(work: (api: string, who: Someone) => Promise<void>): void {
    const api = this.#anyApi();
    const who = api === undefined ? undefined : this.#idle.shift();
    if (api === undefined || who === undefined) {
      this.heldBack++;
      return;
    }
    this.#busy.set(api, this.#busyAt(api) + 1);
    const running = work(api, who).finally(() => {
      this.#busy.set(api, this.#busyAt(api) - 1);
      this.#running.delete(running);
      this.#idle.push(who);
    });
    this.#running.add(running);
  }

  #busyAt(api: string): number {
    return this.#busy.get(api) ?? 0;
  }

  async #speak(api: string, who: Someone): Promise<void> {
    if (mustSignIn(who)) this.#caller.reenter(who);
    const chance = this.#options.random();
    if (chance < 0.15) return this.#count('tracked', this.#caller.me(api, who));
    const status = chance < 0.25 ? 'away' : chance < 0.35 ? 'online' : undefined;
    return this.#count('heartbeat', this.#caller.heartbeat(api, who, status));
  }

  /** Logins cost the most, so they are the fewest. */
  async #transit(api: string, who: Someone): Promise<void> {
    const { random, admins } = this.#options;
    const chance = random();
    if (chance < 0.1) return this.#count('login', this.#caller.login(api, who));
    if (mustSignIn(who)) this.#caller.reenter(who);
    if (chance < 0.3) return this.#count('logout', this.#caller.logout(api, who));
    const admin = admins[Math.floor(random() * admins.length)]!;
    const status = STATUSES[Math.floor(random() * STATUSES.length)]!;
    return this.#count('set', this.#caller.set(api, admin, who, status));
  }

  /** A load balancer's part: each in turn, but for those that leave too much unanswered. */
  #anyApi(): string | undefined {
    const addresses = this.#options.addresses();
    const free = addresses.filter((api) => this.#busyAt(api) < MOST_AT_ONCE);
    return free[this.#turns++ % Math.max(1, free.length)];
  }

  async #count(kind: Kind, call: Promise<Call | null>): Promise<void> {
    const answer = await call;
    const code = answer?.code ?? 0;
    const tally = this.tallies[kind];
    const { codes, took } = tally;
    codes.set(code, (codes.get(code) ?? 0) + 1);
    if (answer === null) return;
    if (answer.retryAfter !== null) tally.retries++;
    if (!took.has(code)) took.set(code, createHistogram());
    took.get(code)!.record(Math.max(1, Math.round(answer.took * 1_000)));
  }

  #probeLive(): void {
    const api = this.#anyApi();
    if (api === undefined) return;
    const began = performance.now();
    ask({ method: 'GET', url: `${api}/health/live`, patience: 2_000 }).then(
      () => this.live.record(Math.max(1, Math.round((performance.now() - began) * 1_000))),
      () => {}, // It was killed: what that costs is told by the requests.
    );
  }
}

function newTally(): Tally {
  return { codes: new Map(), retries: 0, took: new Map() };
}

/** Of a histogram in microseconds, in milliseconds. */
export function milliseconds(histogram: RecordableHistogram | undefined, percent: number): number {
  return histogram === undefined || histogram.count === 0
    ? 0
    : histogram.percentile(percent) / 1_000;
}
