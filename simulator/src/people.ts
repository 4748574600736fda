import {
  APP_LEASE,
  type Duration,
  declaredStatus,
  type EventType,
  type Millis,
  type Status,
} from '@presence/domain';
import type { Agenda } from './agenda.js';
import type { Api } from './api.js';
import { MOMENT } from './moment.js';
import type { Pipeline, SpokenEvent } from './pipeline.js';
import type { Random } from './random.js';
import { HEARTBEAT_INTERVAL, HOUR, type Scenario, SECOND } from './scenario.js';
import { type Truth, TURN } from './truth.js';

export interface PeopleParts {
  readonly scenario: Scenario;
  readonly agenda: Agenda;
  readonly random: Random;
  readonly truth: Truth;
  readonly pipeline: Pipeline;
}

const JITTER = 2 * SECOND;
/** Chance that a heartbeat says that its person has stepped away, or is back. */
const TURNS_AWAY = 0.05;
/** Chance that a device which vanished comes back with its session, without a login. */
const RESUMES = 0.5;
/** By day so much more than on average, by night so much less. */
const DAILY_SWING = 0.8;
const BUSIEST_HOUR = 15;

/**
 * The virtual users. Each has two devices, number 2u and 2u + 1; each device has one entry in the
 * agenda at most: when it opens, or else what it does next.
 */
export class People {
  readonly #session: Uint16Array;
  readonly #sessions: Uint16Array;
  readonly #api: Uint8Array;
  readonly #isOpen: Uint8Array;
  readonly #away: Uint8Array;
  readonly #closeAt: Int32Array;
  readonly #straggler: Uint16Array;
  /** Session ids by number: they repeat by user, and are worth keeping. */
  readonly #names: string[] = [''];
  heartbeats = 0;
  lost = 0;
  refused = 0;
  logins = 0;
  logouts = 0;
  vanished = 0;

  readonly #scenario: Scenario;
  readonly #agenda: Agenda;
  readonly #random: Random;
  readonly #truth: Truth;
  readonly #pipeline: Pipeline;

  constructor({ scenario, agenda, random, truth, pipeline }: PeopleParts) {
    this.#scenario = scenario;
    this.#agenda = agenda;
    this.#random = random;
    this.#truth = truth;
    this.#pipeline = pipeline;
    const devices = truth.users * 2;
    this.#session = new Uint16Array(devices);
    this.#sessions = new Uint16Array(truth.users);
    this.#api = new Uint8Array(devices);
    this.#isOpen = new Uint8Array(devices);
    this.#away = new Uint8Array(devices);
    this.#closeAt = new Int32Array(devices);
    this.#straggler = new Uint16Array(devices);
    for (let user = 1; user < truth.users; user++) this.#arrive(user);
  }

  handle(kind: number, device: number, now: Millis): void {
    if (kind === MOMENT.open) this.#open(device, now);
    else if (kind === MOMENT.straggle) this.#straggle(device, now);
    else if (now >= this.#closeAt[device]!) this.#close(device, now);
    else this.#beat(device, now);
  }

  /** As many as are there on average come within the first heartbeat. */
  #arrive(user: number): void {
    const { visit, gap } = this.#scenario;
    const isThere = this.#random.chance((visit / (visit + gap)) * this.#rate(0));
    const at = isThere ? this.#random.between(0, HEARTBEAT_INTERVAL) : this.#nextVisit(0);
    this.#agenda.add(at, MOMENT.open, user * 2);
  }

  #open(device: number, now: Millis): void {
    if (this.#isOpen[device] === 1) return;
    const resumes = this.#session[device] !== 0 && this.#random.chance(RESUMES);
    if (!resumes && !this.#canLogIn) {
      this.#agenda.add(now + this.#random.between(5 * SECOND, 15 * SECOND), MOMENT.open, device);
      return;
    }
    const user = device >> 1;
    this.#settle(user, now);
    this.#truth.opened(user, now);
    this.#isOpen[device] = 1;
    this.#away[device] = 0;
    this.#api[device] = this.#anyApi() ?? 0;
    if (resumes) this.#speak(device, 'activity', now);
    else this.#login(device, now);
    this.#closeAt[device] = now + this.#random.wait(this.#scenario.visit);
    if (device % 2 === 0) this.#maybeSecond(device, now);
    this.#next(device, now);
  }

  #login(device: number, now: Millis): void {
    const user = device >> 1;
    this.#session[device] = ++this.#sessions[user]!;
    this.logins++;
    this.#commit(device, 'login', now);
  }

  #maybeSecond(device: number, now: Millis): void {
    if (!this.#random.chance(this.#scenario.secondDevice)) return;
    if (this.#isOpen[device + 1] === 1) return;
    const after = this.#random.between(0, this.#scenario.visit);
    this.#agenda.add(now + after, MOMENT.open, device + 1);
  }

  #next(device: number, now: Millis): void {
    const beat = now + HEARTBEAT_INTERVAL + this.#random.between(-JITTER, JITTER);
    this.#agenda.add(Math.min(beat, this.#closeAt[device]!), MOMENT.act, device);
  }

  #beat(device: number, now: Millis): void {
    if (this.#random.chance(TURNS_AWAY)) this.#away[device] = 1 - this.#away[device]!;
    this.heartbeats++;
    const isLost = this.#random.chance(this.#scenario.loss);
    if (isLost && this.#pipeline.apisAwaySince === null) this.#lose(device >> 1);
    else this.#speak(device, 'heartbeat', now);
    this.#next(device, now);
  }

  #lose(user: number): void {
    this.lost++;
    const { turn } = this.#truth;
    if (turn[user] === TURN.owed && this.#pipeline.whole) turn[user] = TURN.lost;
  }

  /** Says something to an API, which takes it or says 503; a dead one's clients go to another. */
  #speak(device: number, type: EventType, now: Millis): void {
    const { apisAwaySince } = this.#pipeline;
    if (apisAwaySince !== null) {
      this.#speakInVain(device >> 1, now - apisAwaySince, now);
      return;
    }
    if (!this.#apiOf(device).up) this.#api[device] = this.#anyApi()!;
    const api = this.#apiOf(device);
    const user = device >> 1;
    const acceptance = api.accepts(now);
    if (acceptance !== 'accepted' || this.#truth.turn[user] !== TURN.none) this.#settle(user, now);
    if (acceptance !== 'accepted') {
      this.refused++;
      this.#truth.turn[user] = acceptance === 'refused' ? TURN.owed : TURN.givenUp;
      return;
    }
    const event = this.#event(device, type, api.wall(now));
    this.#truth.accepted(device, now, event.occurredAt);
    api.record(event, now);
  }

  /** Nobody answers. Dead APIs are waited for until their leases are over: that is the limit. */
  #speakInVain(user: number, since: Duration, now: Millis): void {
    this.#settle(user, now);
    this.refused++;
    this.#truth.turn[user] = since <= APP_LEASE ? TURN.owed : TURN.givenUp;
  }

  #close(device: number, now: Millis): void {
    const user = device >> 1;
    this.#settle(user, now);
    const logsOut = this.#random.chance(this.#scenario.logout) && this.#canLogIn;
    if (logsOut) this.#logout(device, now);
    else this.vanished++;
    this.#truth.closed(user, now);
    this.#isOpen[device] = 0;
    if (device % 2 === 0) this.#agenda.add(this.#nextVisit(now), MOMENT.open, device);
  }

  #logout(device: number, now: Millis): void {
    this.logouts++;
    // An answer that says "pending" promises nothing of what reads show.
    const isPending = this.#pipeline.isLocked(device >> 1);
    if (!isPending) this.#truth.loggedOut(device, now, this.#pipeline.spread);
    this.#commit(device, 'logout', now);
    if (this.#random.chance(this.#scenario.straggler)) {
      this.#straggler[device] = this.#session[device]!;
      this.#agenda.add(now + this.#random.between(1, 400), MOMENT.straggle, device);
    }
    this.#session[device] = 0;
  }

  /** A request of a session that has just ended reaches an API that has not heard of that yet. */
  #straggle(device: number, now: Millis): void {
    const any = this.#anyApi();
    if (any === undefined) return;
    const api = this.#pipeline.apis[any]!;
    if (api.accepts(now) !== 'accepted') return;
    const event = this.#event(device, 'activity', api.wall(now), this.#straggler[device]!);
    api.record(event, now);
  }

  #commit(device: number, type: EventType, now: Millis): void {
    const event = this.#event(device, type, this.#apiOf(device).wall(now));
    if (type === 'login') this.#truth.accepted(device, now, event.occurredAt);
    this.#pipeline.commit(event, now);
  }

  #event(
    device: number,
    type: EventType,
    occurredAt: Millis,
    session = this.#session[device]!,
  ): SpokenEvent {
    const user = device >> 1;
    const given: Status = this.#away[device] === 1 ? 'away' : 'online';
    const status = declaredStatus(type, given)!;
    return { type, user, userId: user, occurredAt, status, sessionId: this.#name(session) };
  }

  #name(session: number): string {
    this.#names[session] ??= String(session);
    return this.#names[session];
  }

  #settle(user: number, now: Millis): void {
    for (const { ledger } of this.#pipeline.rules) ledger.settle(user, now);
  }

  #apiOf(device: number): Api {
    return this.#pipeline.apis[this.#api[device]!]!;
  }

  /** Whether somebody is there who takes a login or a logout. */
  get #canLogIn(): boolean {
    return this.#pipeline.databaseUp && this.#pipeline.apisAwaySince === null;
  }

  /** @returns the number of one that is up; `undefined` where none is. */
  #anyApi(): number | undefined {
    const { apis, apisAwaySince } = this.#pipeline;
    while (apisAwaySince === null) {
      const at = this.#random.between(0, apis.length - 1);
      if (apis[at]!.up) return at;
    }
    return undefined;
  }

  /** Thinned where the hour asks for fewer visits than the busiest one. */
  #nextVisit(now: Millis): Millis {
    const { gap, daily } = this.#scenario;
    if (!daily) return now + this.#random.wait(gap);
    const most = 1 + DAILY_SWING;
    let at = now;
    do at += this.#random.wait(gap / most);
    while (!this.#random.chance(this.#rate(at) / most));
    return at;
  }

  #rate(at: Millis): number {
    if (!this.#scenario.daily) return 1;
    const angle = ((at / HOUR - BUSIEST_HOUR) / 24) * 2 * Math.PI;
    return 1 + DAILY_SWING * Math.cos(angle);
  }
}
