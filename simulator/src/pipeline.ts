import type { Duration, Millis, PresenceEvent, ReportedEvent } from '@presence/domain';
import type { Agenda } from './agenda.js';
import { Api } from './api.js';
import { Leases } from './leases.js';
import { MOMENT } from './moment.js';
import { Queue } from './queue.js';
import type { Random } from './random.js';
import type { Rows } from './rows.js';
import { type Fault, type Scenario, spread } from './scenario.js';
import type { Truth } from './truth.js';
import { type Held, Worker } from './worker.js';

/** An event as publishers take it and as rows do: one object for both. */
export type SpokenEvent = ReportedEvent & PresenceEvent & { readonly user: number };

export interface PipelineParts {
  readonly scenario: Scenario;
  readonly agenda: Agenda;
  readonly random: Random;
  readonly truth: Truth;
  /** What is written goes into the rows of each rule. */
  readonly rules: readonly Rows[];
  /** As-of as it stands before anything has happened. */
  readonly begin: Millis;
}

const TICK_EVERY = 500;
const RENEW_API_EVERY = 5_000;
const RENEW_WORKER_EVERY = 2_000;
const KEEP_EVERY = 250;
const RETRY_AFTER = 1_000;

/** APIs, broker, workers and database, and what becomes of them. */
export class Pipeline {
  readonly leases: Leases;
  readonly apis: readonly Api[];
  readonly queue = new Queue();
  readonly #workers: readonly Worker[];
  readonly #held: (Held | undefined)[] = [];
  readonly #free: number[] = [];
  readonly #locked = new Set<number>();
  /** Logins and logouts that wait for locked rows. */
  #inbox: PresenceEvent[] = [];
  #apisAwaySince: Millis | null = null;
  #brokerUp = true;
  #step = 0;
  #troubles = 0;
  #turn = 0;
  commits = 0;

  readonly scenario: Scenario;
  readonly rules: readonly Rows[];
  readonly #agenda: Agenda;
  readonly #random: Random;
  readonly #truth: Truth;

  constructor({ scenario, agenda, random, truth, rules, begin }: PipelineParts) {
    this.scenario = scenario;
    this.rules = rules;
    this.#agenda = agenda;
    this.#random = random;
    this.#truth = truth;
    const { apis, workers, others, skew } = scenario;
    this.leases = new Leases(begin);
    const clock = (at: number) => () => this.#step + (skew[at % skew.length] ?? 0);
    this.apis = times(apis, (at) => {
      const counts = at < apis - others;
      return new Api({ name: `api ${at}`, skew: clock(at), leases: this.leases, counts }, 0);
    });
    this.#workers = times(workers, (at) => new Worker(`worker ${at}`, clock(at), this.leases));
    this.#begin();
  }

  get databaseUp(): boolean {
    return this.leases.up;
  }

  /** How far apart two clocks can be. */
  get spread(): Duration {
    return spread(this.scenario);
  }

  /** Whether no part is away. */
  get whole(): boolean {
    return this.#troubles === 0;
  }

  /** Since when no API can be reached; `null` where one can. */
  get apisAwaySince(): Millis | null {
    return this.#apisAwaySince;
  }

  /** Whether somebody has locked the user's row: what is committed of them is pending. */
  isLocked(user: number): boolean {
    return this.#locked.has(user);
  }

  /** Commits what must stand without the broker: logins and logouts. */
  commit(event: PresenceEvent, now: Millis): void {
    if (this.isLocked(event.userId)) this.#inbox.push(event);
    else for (const rows of this.rules) rows.apply(event, now);
  }

  handle(kind: number, subject: number, now: Millis): void {
    switch (kind) {
      case MOMENT.flush:
        this.#flush(subject, now);
        break;
      case MOMENT.renewApi:
        this.#renewApi(subject, now);
        break;
      case MOMENT.tick:
        this.#tick(subject, now);
        break;
      case MOMENT.renewWorker:
        this.#renewWorker(subject, now);
        break;
      case MOMENT.commit:
        this.#commitHeld(subject, now);
        break;
      case MOMENT.keep:
        this.#keep(now);
        break;
      case MOMENT.fault:
        this.#fail(this.scenario.faults[subject]!, true, now);
        break;
      case MOMENT.repair:
        this.#fail(this.scenario.faults[subject]!, false, now);
    }
  }

  /** Nothing is in step with anything else. */
  #begin(): void {
    const { scenario } = this;
    const [agenda, random] = [this.#agenda, this.#random];
    this.apis.forEach((_, at) => {
      agenda.add(random.between(0, scenario.cutEvery), MOMENT.flush, at);
      agenda.add(random.between(0, RENEW_API_EVERY), MOMENT.renewApi, at);
    });
    this.#workers.forEach((_, at) => {
      agenda.add(random.between(0, TICK_EVERY), MOMENT.tick, at);
      agenda.add(random.between(0, RENEW_WORKER_EVERY), MOMENT.renewWorker, at);
    });
    agenda.add(0, MOMENT.keep, 0);
    scenario.faults.forEach(({ at, until }, index) => {
      agenda.add(at, MOMENT.fault, index);
      agenda.add(until, MOMENT.repair, index);
    });
  }

  #flush(at: number, now: Millis): void {
    const api = this.apis[at]!;
    this.#agenda.add(now + this.scenario.cutEvery, MOMENT.flush, at);
    if (!api.up || !this.#brokerUp || api.cut) return;
    api.flush(now, (message) => this.queue.push(message));
    this.#deliver(now);
  }

  #renewApi(at: number, now: Millis): void {
    const api = this.apis[at]!;
    this.#agenda.add(now + RENEW_API_EVERY, MOMENT.renewApi, at);
    if (api.up && this.databaseUp) api.renew(now);
  }

  #tick(at: number, now: Millis): void {
    const worker = this.#workers[at]!;
    this.#agenda.add(now + TICK_EVERY, MOMENT.tick, at);
    if (!worker.up || !this.#brokerUp) return;
    const message = worker.tick(now);
    if (message === undefined) return;
    this.queue.push(message);
    this.#deliver(now);
  }

  #renewWorker(at: number, now: Millis): void {
    const worker = this.#workers[at]!;
    this.#agenda.add(now + RENEW_WORKER_EVERY, MOMENT.renewWorker, at);
    if (worker.up && this.databaseUp) worker.renew(now);
  }

  #keep(now: Millis): void {
    this.#agenda.add(now + KEEP_EVERY, MOMENT.keep, 0);
    if (!this.databaseUp) return;
    if (this.#workers.some(({ up }) => up)) this.leases.advance(now);
    for (const rows of this.rules) rows.sweep(now, this.leases.asOf);
  }

  #deliver(now: Millis): void {
    while (this.#brokerUp && this.queue.length > 0) {
      const worker = this.#nextWorker();
      if (worker === undefined) return;
      const held = worker.take(this.queue.take()!, now);
      const slot = this.#free.pop() ?? this.#held.length;
      this.#held[slot] = held;
      this.#agenda.add(now + this.#effort(), MOMENT.commit, slot);
    }
  }

  #nextWorker(): Worker | undefined {
    for (let tried = 0; tried < this.#workers.length; tried++) {
      this.#turn = (this.#turn + 1) % this.#workers.length;
      const worker = this.#workers[this.#turn]!;
      if (worker.up && worker.hasRoom) return worker;
    }
    return undefined;
  }

  #effort(): number {
    const { late, lateBy } = this.scenario;
    const isLate = this.#random.chance(late);
    return isLate ? this.#random.between(30, lateBy) : this.#random.between(5, 30);
  }

  /** What the broker has taken back may be committed all the same: it comes again. */
  #commitHeld(slot: number, now: Millis): void {
    const held = this.#held[slot]!;
    const { worker, message } = held;
    const written = worker.up && !worker.stuck && this.databaseUp && this.#write(held, now);
    if (!written && worker.up && worker.holds(held)) {
      this.#agenda.add(now + RETRY_AFTER, MOMENT.commit, slot);
      return;
    }
    this.#held[slot] = undefined;
    this.#free.push(slot);
    if (!written) return;
    if (worker.settle(held) && this.#random.chance(this.scenario.again)) {
      this.queue.requeue([message]);
    }
    this.#deliver(now);
  }

  /** @returns false where something of it waits for a locked row: it is not settled then. */
  #write(held: Held, now: Millis): boolean {
    this.commits++;
    const waiting: SpokenEvent[] = [];
    for (const event of held.left as readonly SpokenEvent[]) {
      if (this.isLocked(event.user)) waiting.push(event);
      else this.commit(event, now);
    }
    held.left = waiting;
    if (waiting.length > 0) return false;
    if (held.message.progress !== null) this.leases.settle(held.message.progress);
    return true;
  }

  #fail({ kind, which }: Fault, begins: boolean, now: Millis): void {
    this.#troubles += begins ? 1 : -1;
    switch (kind) {
      case 'broker':
        this.#brokerUp = !begins;
        for (const worker of this.#workers) this.queue.requeue(worker.letGo());
        break;
      case 'workers':
        for (const worker of this.#workers) this.#crash(worker, begins);
        break;
      case 'worker crash':
        this.#crash(this.#workers[which]!, begins);
        break;
      case 'worker stuck':
        this.#workers[which]!.stuck = begins;
        break;
      case 'database':
        this.leases.up = !begins;
        break;
      case 'apis':
        this.#apisAwaySince = begins ? now : null;
        for (const api of this.apis) {
          if (begins) this.#crashApi(api, now);
          else api.restart(now);
        }
        break;
      case 'row locked':
        this.#lock(which, begins, now);
        break;
      case 'api cut from the broker':
        this.apis[which]!.cut = begins;
        break;
      case 'api crash':
        if (begins) this.#crashApi(this.apis[which]!, now);
        break;
      case 'clocks step':
        this.#step = begins ? which : 0;
    }
    this.#deliver(now);
  }

  #crash(worker: Worker, begins: boolean): void {
    if (begins) this.queue.requeue(worker.crash());
    else worker.up = true;
  }

  #lock(user: number, begins: boolean, now: Millis): void {
    if (begins) {
      this.#locked.add(user);
      return;
    }
    this.#locked.delete(user);
    for (const event of this.#inbox.splice(0)) this.commit(event, now);
  }

  #crashApi(api: Api, now: Millis): void {
    const since = api.flushedAt;
    for (const user of api.crash(now)) this.#truth.forget(user, since);
  }
}

function times<T>(count: number, make: (at: number) => T): T[] {
  return Array.from({ length: count }, (_, at) => make(at));
}
