import { setMaxListeners } from 'node:events';
import { setTimeout as wait } from 'node:timers/promises';
import {
  asOfPolicy,
  type Duration,
  type Millis,
  NO_SESSION,
  type PresenceEvent,
  type ReportedEvent,
  WORKER_LEASE,
} from '@presence/domain';
import { Ledger, type Wrong } from './ledger.js';
import { NaiveRows } from './naive-rows.js';
import { NaiveService } from './naive-service.js';
import { Random } from './random.js';
import { REAL_INTERVAL, REAL_OFFLINE_AFTER, RealSystem, tokenOf } from './real-system.js';
import { RealUser, type RealWorld } from './real-user.js';
import { type FaultWindow, MAX_CLOCK_SKEW, PIPELINE_DELAY, RECOVERY } from './scenario.js';
import { Truth } from './truth.js';

export interface RealResult {
  readonly users: number;
  /** Milliseconds. */
  readonly took: Duration;
  /** User-milliseconds of being there. */
  readonly presence: number;
  readonly real: Wrong;
  readonly naive: Wrong;
  readonly heartbeats: number;
  readonly refused: number;
  /** Logouts that were answered before reads showed them. */
  readonly pending: number;
  readonly faults: readonly { readonly name: string; readonly from: Millis; readonly to: Millis }[];
}

const POLL_EVERY: Duration = 200;
/** Between a row's change and the answer of the poll that shows it. */
const POLL_DELAY: Duration = 1_000;
const OUTAGE = 3 * REAL_OFFLINE_AFTER;
const { hold } = asOfPolicy(REAL_INTERVAL, MAX_CLOCK_SKEW);
/** Long enough for those who went during the outage to expire. */
const RECOVERED = RECOVERY + WORKER_LEASE + hold + REAL_OFFLINE_AFTER;

interface Status {
  readonly user_id: number;
  readonly online_status: string;
  readonly last_seen: string | null;
}

/**
 * The same accounts, kept over real processes in real time: the broker is killed, then all workers
 * are, then Postgres is, each for three times OFFLINE_AFTER. Beside them stands what a naive service
 * would have shown that got the same messages, and whose parts were away at the same times.
 */
export async function simulateReal(
  users: number,
  seed: number,
  tell: (text: string) => void,
): Promise<RealResult> {
  tell('starting RabbitMQ, Postgres, two APIs, two workers');
  const system = await RealSystem.start();
  try {
    return await new RealRun(system, users, seed, tell).run();
  } finally {
    await system.stop();
  }
}

class RealRun {
  readonly #begin = Date.now();
  readonly #over = new AbortController();
  readonly #windows: FaultWindow[] = [];
  readonly #faults: { name: string; from: Millis; to: Millis }[] = [];
  readonly #truth: Truth;
  readonly #ledger: Ledger;
  readonly #naive: NaiveRows;
  readonly #naiveService: NaiveService;
  readonly #people: RealUser[];
  readonly #reader = tokenOf(1_000_000, 'service');
  readonly #waitingForLook: (() => void)[] = [];
  #whole = true;
  #databaseUp = true;

  constructor(
    readonly system: RealSystem,
    readonly users: number,
    seed: number,
    readonly tell: (text: string) => void,
  ) {
    this.#truth = new Truth(users + 1);
    const delay = PIPELINE_DELAY + POLL_DELAY;
    const allow = { offlineAfter: REAL_OFFLINE_AFTER, delay, lag: delay, spread: 0 };
    const ledger = () => new Ledger(this.#truth, { ...allow, faults: this.#windows });
    this.#ledger = ledger();
    this.#naive = new NaiveRows(ledger(), users + 1, 0);
    const take = (event: ReportedEvent) =>
      this.#overwrite({ ...event, userId: Number(event.user) });
    this.#naiveService = new NaiveService(system.broker.url, take, this.#over.signal);
    setMaxListeners(0, this.#over.signal);
    const random = new Random(seed);
    this.#people = Array.from(
      { length: users },
      (_, at) => new RealUser(at + 1, this.#world(random)),
    );
  }

  async run(): Promise<RealResult> {
    const { ended } = await this.#naiveService.start();
    const living = this.#people.map((person) => person.live());
    const polling = this.#poll();
    const script = this.#script().finally(() => this.#over.abort());
    await Promise.all([script, polling, ended, ...living]);
    return this.#result();
  }

  async #script(): Promise<void> {
    const { broker, postgres } = this.system;
    const naive = this.#naiveService;
    await this.#wait(20_000, 'all is well');
    await this.#outage(
      'broker killed',
      () => broker.kill(),
      () => broker.restart(),
    );
    await this.#outage(
      'workers killed',
      () => Promise.all([this.system.killWorkers(), naive.pause()]),
      () => this.system.startWorkers().then(() => naive.resume()),
    );
    await this.#outage(
      'Postgres killed',
      () => {
        this.#databaseUp = false;
        return Promise.all([postgres.kill(), naive.pause()]);
      },
      async () => {
        await postgres.restart();
        this.#databaseUp = true;
        naive.resume();
      },
    );
  }

  async #outage(
    name: string,
    begin: () => Promise<unknown>,
    end: () => Promise<void>,
  ): Promise<void> {
    const from = this.#now();
    const fault = { name, from, to: Number.POSITIVE_INFINITY };
    const window = { from: from - PIPELINE_DELAY, wordsUntil: fault.to, silenceUntil: fault.to };
    this.#windows.push(window);
    this.#whole = false;
    await begin();
    await this.#wait(OUTAGE, name);
    await end();
    this.#whole = true;
    fault.to = this.#now();
    window.wordsUntil = fault.to + RECOVERY;
    window.silenceUntil = window.wordsUntil + WORKER_LEASE + hold;
    this.#faults.push(fault);
    await this.#wait(RECOVERED + REAL_OFFLINE_AFTER, 'back');
  }

  async #poll(): Promise<void> {
    while (!this.#over.signal.aborted) {
      const waiting = this.#waitingForLook.splice(0);
      const statuses = await this.#read();
      for (const status of statuses ?? []) this.#note(status);
      if (statuses === undefined) this.#waitingForLook.push(...waiting);
      else for (const resolve of waiting) resolve();
      if (this.#databaseUp) this.#naive.sweep(this.#now());
      await wait(POLL_EVERY);
    }
    for (const resolve of this.#waitingForLook) resolve();
  }

  /** @returns `undefined` where nothing can be read, for want of a database. */
  async #read(): Promise<readonly Status[] | undefined> {
    const user_ids = Array.from({ length: this.users }, (_, at) => at + 1);
    const url = `${this.system.urls[0]}/api/users/admin/users/online-status/query/`;
    const response = await fetch(url, {
      method: 'POST',
      headers: { authorization: `Bearer ${this.#reader}`, 'content-type': 'application/json' },
      body: JSON.stringify({ user_ids }),
    });
    const mayFail = this.#now() < (this.#windows.at(-1)?.wordsUntil ?? 0);
    if (response.status === 503 && mayFail) return undefined;
    if (!response.ok) throw new Error(`Reading was answered with ${response.status}.`);
    return ((await response.json()) as { statuses: Status[] }).statuses;
  }

  #note({ user_id: user, online_status, last_seen }: Status): void {
    const person = this.#people[user - 1]!;
    // Why somebody is offline can be told once their logout, if they are about to, is answered.
    if (last_seen === null || person.leaving) return;
    const seen = Date.parse(last_seen) - this.#begin;
    const shown = online_status !== 'offline';
    // Judged when it happens, not at every look.
    if (!shown && this.#ledger.shown[user] === 0 && this.#ledger.seenOf(user) === seen) return;
    const silent = !shown && person.loggedOutAt !== seen;
    this.#ledger.wrote(user, this.#now(), { shown, seen, silent });
  }

  /** The naive rule has no order of events, so an arrival is all that counts. */
  #overwrite(event: PresenceEvent): void {
    const occurredAt = event.occurredAt - this.#begin;
    this.#naive.apply({ ...event, occurredAt }, this.#now());
  }

  #settle(user: number): void {
    for (const ledger of [this.#ledger, this.#naive.ledger]) ledger.settle(user, this.#now());
  }

  #world(random: Random): RealWorld {
    return {
      random,
      truth: this.#truth,
      settle: (user) => this.#settle(user),
      loggedOut: (userId, at) =>
        this.#overwrite({
          type: 'logout',
          userId,
          occurredAt: at + this.#begin,
          status: 'offline',
          sessionId: NO_SESSION,
        }),
      urls: this.system.urls,
      now: () => this.#now(),
      begin: this.#begin,
      whole: () => this.#whole,
      nextLook: () => new Promise((resolve) => this.#waitingForLook.push(resolve)),
      over: this.#over.signal,
    };
  }

  #result(): RealResult {
    const took = this.#now();
    for (let user = 1; user <= this.users; user++) this.#settle(user);
    return {
      users: this.users,
      took,
      presence: this.#truth.presenceUntil(took),
      real: this.#ledger.wrong,
      naive: this.#naive.ledger.wrong,
      heartbeats: this.#people.reduce((sum, { heartbeats }) => sum + heartbeats, 0),
      refused: this.#people.reduce((sum, { refused }) => sum + refused, 0),
      pending: this.#people.reduce((sum, { pending }) => sum + pending, 0),
      faults: this.#faults,
    };
  }

  #now(): Millis {
    return Date.now() - this.#begin;
  }

  async #wait(duration: Duration, name: string): Promise<void> {
    this.tell(`${name}: ${Math.round(duration / 1_000)} s`);
    await wait(duration);
  }
}
