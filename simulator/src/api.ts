import { BatchLog } from '@presence/adapters/publishing';
import { APP_LEASE, type Duration, type Millis, type ReportedEvent } from '@presence/domain';
import type { Leases } from './leases.js';
import type { Message } from './queue.js';
import { HORIZON } from './scenario.js';

/** As publishing/lease.ts has it. */
const LAPSES_AFTER = APP_LEASE - 2_000;
const BATCH_EVENTS = 1_000;
const NO_BODY = Buffer.alloc(0);

export interface ApiParts {
  readonly name: string;
  /** How far its clock is ahead. */
  readonly skew: () => Duration;
  readonly leases: Leases;
  /** Whether it tells its progress; services of others do not. */
  readonly counts: boolean;
}

export type Acceptance = 'accepted' | 'refused' | 'given up';

/**
 * One API as a publisher: the real BatchLog keeps its events and cuts its time. Beside it stand
 * the few rules of queue-publisher.ts and lease.ts that hang on timers there.
 */
export class Api {
  readonly #parts: ApiParts;
  readonly #log: BatchLog;
  #lives = 1;
  #heardAt: Millis;
  up = true;
  cut = false;
  flushedAt: Millis;

  constructor(parts: ApiParts, now: Millis) {
    this.#parts = parts;
    this.#heardAt = now;
    this.flushedAt = now;
    this.#log = new BatchLog(this.#named(this.#micros(now)), withoutBodies);
    this.#register(now);
  }

  wall(now: Millis): Millis {
    return now + this.#parts.skew();
  }

  /** Whether a heartbeat is answered 200 or 503. */
  accepts(now: Millis): Acceptance {
    if (this.#isLapsed(now)) return 'given up';
    const { oldest } = this.#log;
    return oldest === null || now - oldest <= HORIZON ? 'accepted' : 'refused';
  }

  record(event: ReportedEvent, now: Millis): void {
    this.#log.record(event, () => now);
  }

  /** Cuts its time and sends everything; the broker confirms it. */
  flush(now: Millis, send: (message: Message) => void): void {
    this.flushedAt = now;
    if (this.#isLapsed(now)) this.#begin(now);
    this.#log.cut(this.#micros(now));
    for (let batch = this.#log.take(); batch !== undefined; batch = this.#log.take()) {
      send(this.#parts.counts ? batch : { events: batch.events, progress: null });
      this.#log.confirm(batch);
    }
    this.#heardAt = now;
  }

  /** Renews the lease in the database. */
  renew(now: Millis): void {
    const { leases, counts } = this.#parts;
    if (!counts) return;
    const lapsed = this.#isLapsed(now);
    const known = leases.renew(this.#publisher, now);
    this.#heardAt = now;
    if (!known || lapsed) this.#begin(now);
  }

  /** @returns the users whose events were not on their way yet. */
  crash(now: Millis): number[] {
    this.up = false;
    const users: number[] = [];
    this.#log.cut(this.#micros(now));
    for (let batch = this.#log.take(); batch !== undefined; batch = this.#log.take()) {
      for (const { user } of batch.events) users.push(user as number);
      this.#log.confirm(batch);
    }
    return users;
  }

  /** A new process, which knows nothing of the one before. */
  restart(now: Millis): void {
    this.up = true;
    this.flushedAt = now;
    this.#begin(now, this.#micros(now));
  }

  get #publisher(): string {
    return `${this.#parts.name}/${this.#lives}`;
  }

  #isLapsed(now: Millis): boolean {
    return now - this.#heardAt > LAPSES_AFTER;
  }

  #begin(now: Millis, since = this.#log.restartAt): void {
    this.#lives++;
    this.#heardAt = now;
    this.#log.restart(this.#named(since));
    this.#register(now);
  }

  #register(now: Millis): void {
    const { leases, counts } = this.#parts;
    if (counts) leases.register(this.#publisher, 'app', this.#log.reached, now);
  }

  #named(since: number) {
    return { publisher: this.#publisher, kind: 'app' as const, since };
  }

  #micros(now: Millis): number {
    return this.wall(now) * 1_000;
  }
}

/** Batches of the size of messages; nobody here reads their text, and it would cost the most. */
function withoutBodies(events: readonly ReportedEvent[]) {
  if (events.length <= BATCH_EVENTS) return [{ events, body: NO_BODY }];
  const batches = [];
  for (let at = 0; at < events.length; at += BATCH_EVENTS) {
    batches.push({ events: events.slice(at, at + BATCH_EVENTS), body: NO_BODY });
  }
  return batches;
}
