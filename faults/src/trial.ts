import { eventually } from '@presence/test-services';
import { sequence } from '@presence/test-services/system';
import { Caller, type Someone } from './caller.js';
import type { FaultCase } from './fault-case.js';
import { Ledger, type Sink } from './ledger.js';
import { Load, type LoadOptions } from './load.js';
import { Publisher } from './publisher.js';
import { type Finding, reckon, type Seen } from './reckoning.js';
import type { System } from './system.js';

export interface TrialOptions {
  readonly system: System;
  readonly seed: number;
  /** By how much long waits are shortened. */
  readonly hasten: number;
  readonly sink: Sink;
  /** Spares the broker's own count of what workers hold, which costs a second or two. */
  readonly brief?: boolean;
  /** Told what goes on. */
  readonly say: (text: string) => void;
}

/** What was reckoned, beside the findings. */
export interface Outcome {
  readonly findings: readonly Finding[];
  readonly acknowledged: number;
  /** Neither promised nor refused. */
  readonly unanswered: number;
  /** Milliseconds from the end of the fault until all was well; `null` where nothing was away. */
  readonly healthyAfter: number | null;
  readonly misses: readonly string[];
  readonly notes: readonly string[];
}

/** In reads within a second; a busy machine gets more. */
const SETTLES_WITHIN = 10_000;
const IDLE_WITHIN = 60_000;
const HEALTHY_WITHIN = 60_000;

/** A reckoning in the middle of a case found something; the case is over. */
export class FoundAmiss extends Error {
  override readonly name = 'FoundAmiss';
  constructor(readonly findings: readonly Finding[]) {
    super(`${findings.length} findings`);
  }
}

/** What a case has at hand: a whole system, people, a load, and a ledger that all of them fill. */
export class Trial {
  readonly system: System;
  readonly ledger: Ledger;
  /** Speaks for single people, and writes down what they are told. */
  readonly caller: Caller;
  /** Numbers in [0, 1), the same for the same seed. */
  readonly random: () => number;
  readonly say: (text: string) => void;
  readonly #hasten: number;
  readonly #brief: boolean;
  readonly #fault: FaultCase;
  readonly #loads = new Set<Load>();
  readonly #publishers: Publisher[] = [];
  readonly #misses: string[] = [];
  readonly #notes: string[] = [];
  #healthyAfter: number | null = null;
  #admin: Someone | undefined;
  #probe: Someone | undefined;
  /** What the last reckoning saw. */
  #seen: Seen | undefined;
  /** Whether every change can be heard: not where their exchange goes. */
  hearsChanges = true;

  constructor(fault: FaultCase, { system, seed, hasten, brief = false, sink, say }: TrialOptions) {
    this.system = system;
    this.say = say;
    this.#fault = fault;
    this.#hasten = hasten;
    this.#brief = brief;
    this.ledger = new Ledger((line) => sink({ case: fault.number, ...line }));
    this.caller = new Caller(this.ledger);
    this.random = sequence(seed + fault.number);
    system.onApiKilled = (url, since) => this.ledger.revoke(url, since);
  }

  /** A length of time that `--hasten` shortens, in milliseconds. */
  long(milliseconds: number): number {
    return milliseconds / this.#hasten;
  }

  /** Something that this case demands. It goes on; the case has missed. */
  require(met: boolean, what: string): void {
    if (!met) this.#misses.push(what);
  }

  /** A figure for the table. */
  note(text: string): void {
    this.#notes.push(text);
  }

  /** New people, who are reckoned. */
  async people(count: number, options?: { role?: string; canLogIn?: boolean }): Promise<Someone[]> {
    const people = await this.system.addPeople(count, options);
    for (const { userId } of people) this.ledger.open(userId);
    return people;
  }

  /** Whose word sets others' statuses. */
  async admin(): Promise<Someone> {
    this.#admin ??= (await this.people(1, { role: 'admin' }))[0]!;
    return this.#admin;
  }

  /**
   * Puts the system under load, until the reckoning or `stop`. Default: 200 people, 100 requests
   * a second, a tenth as many transitions.
   */
  async load(options: Partial<LoadOptions> = {}): Promise<Load> {
    const people = options.people ?? (await this.people(200, { canLogIn: true }));
    const admins = options.admins ?? (await this.people(4, { role: 'admin' }));
    const { addresses } = this.system;
    const defaults = { people, admins, rate: 100, addresses, random: this.random };
    const load = new Load(this.caller, { ...defaults, ...options });
    this.#loads.add(load);
    load.start();
    return load;
  }

  /** Another service, straight at the broker. */
  async publisher(url = this.system.broker.url): Promise<Publisher> {
    const publisher = await Publisher.open(url, this.ledger);
    this.#publishers.push(publisher);
    return publisher;
  }

  /**
   * The fault is over: how long until every process is ready, and every API takes a heartbeat and
   * commits a status. The worst of a case counts.
   */
  async mended(): Promise<number> {
    const began = performance.now();
    this.#probe ??= (await this.people(1))[0]!;
    const admin = await this.admin();
    await eventually(() => this.#assertHealthy(admin, this.#probe!), {
      within: HEALTHY_WITHIN,
      every: 20,
    });
    const took = performance.now() - began;
    this.#healthyAfter = Math.max(this.#healthyAfter ?? 0, took);
    return took;
  }

  async #assertHealthy(admin: Someone, probe: Someone): Promise<void> {
    this.system.assertRunning();
    await this.system.assertReady();
    for (const api of this.system.addresses()) {
      const beat = await this.caller.heartbeat(api, probe);
      if (beat?.code !== 200) throw new Error(`A heartbeat is answered ${beat?.code ?? 'not'}.`);
      const set = await this.caller.set(api, admin, probe, 'away');
      if (set?.code !== 200) throw new Error(`A status is answered ${set?.code ?? 'not'}.`);
    }
  }

  /** Ends the load, and holds what is there against what was told. */
  async reckon(): Promise<Finding[]> {
    await this.stopLoads();
    for (const publisher of this.#publishers.splice(0)) await publisher.close();
    this.say('reckoning');
    await eventually(() => this.system.assertReady(), { within: IDLE_WITHIN, every: 200 });
    await this.system.idle(IDLE_WITHIN, this.#brief);
    const letters = await this.system.listener.takeLetters();
    const findings = () => this.#findings(letters);
    await eventually(async () => (await findings()).length === 0, {
      within: SETTLES_WITHIN,
      every: 250,
    }).catch(() => {}); // What is still amiss is found below.
    return findings();
  }

  /** Reckons in the middle of a long case, and forgets what was found in order. @throws if not */
  async checkpoint(): Promise<void> {
    const findings = await this.reckon();
    if (findings.length > 0) throw new FoundAmiss(findings);
    const seen = this.#seen!;
    this.ledger.close(seen);
    const heard = seen.changes?.length ?? 0;
    this.system.listener.heard = this.system.listener.heard.slice(heard);
  }

  async stopLoads(): Promise<void> {
    await Promise.all([...this.#loads].map((load) => load.stop()));
    this.#loads.clear();
  }

  outcome(findings: readonly Finding[]): Outcome {
    const { acknowledged, unanswered, unexpected } = this.ledger;
    const misses = [...this.#misses, ...unexpected.slice(0, 20).map((what) => `told ${what}`)];
    const healthyAfter = this.#healthyAfter;
    const limit = this.#fault.healthyWithin;
    if (limit !== undefined && (healthyAfter === null || healthyAfter > limit)) {
      misses.push(`healthy after ${seconds(healthyAfter)}, not within ${seconds(limit)}`);
    }
    if (misses.length > 0) {
      misses.push(...this.caller.silences.map((silence) => `(no answer to ${silence})`));
    }
    return { findings, acknowledged, unanswered, healthyAfter, misses, notes: this.#notes };
  }

  async #findings(letters: Seen['letters']): Promise<Finding[]> {
    const { system, ledger } = this;
    await system.listener.catchUp();
    const { asOf, rows } = await system.database.rows([...ledger.accounts.keys()]);
    const changes = this.hearsChanges ? [...system.listener.heard] : null;
    const strangers = await system.strangers();
    this.#seen = { asOf, rows, strangers, changes, letters };
    const policy = { offlineAfter: system.offlineAfter };
    return reckon(ledger.accounts, ledger.letters, this.#seen, policy);
  }
}

function seconds(milliseconds: number | null): string {
  return milliseconds === null ? 'never' : `${(milliseconds / 1_000).toFixed(1)} s`;
}
