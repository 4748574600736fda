import type { Millis } from '@presence/domain';
import { Agenda } from './agenda.js';
import { type Allowances, Ledger, type Wrong } from './ledger.js';
import { MOMENT } from './moment.js';
import { NaiveRows } from './naive-rows.js';
import { People } from './people.js';
import { Pipeline } from './pipeline.js';
import { Random } from './random.js';
import { PresenceRows } from './rows.js';
import { type Sample, sample } from './sample.js';
import {
  faultWindow,
  HOUR,
  OFFLINE_AFTER,
  PIPELINE_DELAY,
  type Scenario,
  SECOND,
  spread,
} from './scenario.js';
import { Truth } from './truth.js';

export interface Counts {
  readonly heartbeats: number;
  readonly lost: number;
  readonly refused: number;
  readonly logins: number;
  readonly logouts: number;
  readonly vanished: number;
  readonly commits: number;
  readonly changes: number;
  readonly expiries: number;
  readonly longestQueue: number;
}

export interface Result {
  readonly scenario: Scenario;
  readonly seed: number;
  /** User-milliseconds of being there. */
  readonly presence: number;
  readonly real: Wrong;
  readonly naive: Wrong;
  readonly counts: Counts;
  readonly samples: readonly Sample[];
}

export interface SimulateOptions {
  /** Is told, now and then, which part is done. */
  readonly progress?: (part: number) => void;
  /** The rows under test; a test breaks them and looks whether that is seen. */
  readonly Rows?: typeof PresenceRows;
}

const SAMPLES = 1_440;
/** As-of as it stands before anything has happened. */
const BEGIN: Millis = -SECOND;
const REPORT_EVERY = 1 << 16;

/** Lets a scenario happen: the same scenario and seed have the same result. */
export function simulate(scenario: Scenario, seed: number, options: SimulateOptions = {}): Result {
  return new Simulation(scenario, seed, options).run(options.progress ?? (() => {}));
}

class Simulation {
  readonly #agenda = new Agenda();
  readonly #end: Millis;
  readonly #sampleEvery: number;
  readonly #truth: Truth;
  readonly #real: PresenceRows;
  readonly #naive: NaiveRows;
  readonly #pipeline: Pipeline;
  readonly #people: People;
  readonly #samples: Sample[] = [];

  constructor(
    readonly scenario: Scenario,
    readonly seed: number,
    { Rows = PresenceRows }: SimulateOptions,
  ) {
    const agenda = this.#agenda;
    const random = new Random(seed);
    const ids = scenario.users + 1;
    const truth = new Truth(ids);
    const allow = allowances(scenario);
    this.#end = Math.round(scenario.hours * HOUR);
    this.#sampleEvery = Math.max(SECOND, Math.round(this.#end / SAMPLES));
    this.#truth = truth;
    this.#real = new Rows(new Ledger(truth, allow), ids, BEGIN);
    this.#naive = new NaiveRows(new Ledger(truth, allow), ids, BEGIN);
    const rules = [this.#real, this.#naive];
    this.#pipeline = new Pipeline({ scenario, agenda, random, truth, rules, begin: BEGIN });
    this.#people = new People({ scenario, agenda, random, truth, pipeline: this.#pipeline });
    agenda.add(0, MOMENT.sample, 0);
  }

  run(progress: (part: number) => void): Result {
    const agenda = this.#agenda;
    for (let moments = 0; agenda.next() && agenda.time <= this.#end; moments++) {
      const { kind, subject, time } = agenda;
      if (kind <= MOMENT.straggle) this.#people.handle(kind, subject, time);
      else if (kind === MOMENT.sample) this.#sample(time);
      else this.#pipeline.handle(kind, subject, time);
      if (moments % REPORT_EVERY === 0) progress(time / this.#end);
    }
    progress(1);
    return this.#result();
  }

  #sample(at: Millis): void {
    this.#samples.push(sample(at, this.#truth, this.#real.ledger, this.#naive.ledger));
    this.#agenda.add(at + this.#sampleEvery, MOMENT.sample, 0);
  }

  #result(): Result {
    for (const { ledger } of [this.#real, this.#naive]) settleAll(ledger, this.#end);
    return {
      scenario: this.scenario,
      seed: this.seed,
      presence: this.#truth.presenceUntil(this.#end),
      real: this.#real.ledger.wrong,
      naive: this.#naive.ledger.wrong,
      counts: this.#counts(),
      samples: this.#samples,
    };
  }

  #counts(): Counts {
    const { heartbeats, lost, refused, logins, logouts, vanished } = this.#people;
    const { changes, expiries } = this.#real;
    const { commits, queue } = this.#pipeline;
    const did = { heartbeats, lost, refused, logins, logouts, vanished };
    return { ...did, commits, changes, expiries, longestQueue: queue.longest };
  }
}

function allowances(scenario: Scenario): Allowances {
  const { lateBy, faults, cutEvery } = scenario;
  const windows = faults.map(faultWindow).sort((a, b) => a.from - b.from);
  const delay = PIPELINE_DELAY + cutEvery + lateBy;
  // A worker's word of progress may come as late as the message that it speaks of.
  const lag = delay + lateBy;
  const offlineAfter = OFFLINE_AFTER;
  return { offlineAfter, delay, lag, spread: spread(scenario), faults: windows };
}

function settleAll(ledger: Ledger, end: Millis): void {
  for (let user = 1; user < ledger.truth.users; user++) ledger.settle(user, end);
}
