import {
  type AsOf,
  advanceAsOf,
  livePublishers,
  type Millis,
  type Progress,
  type Publisher,
} from '@presence/domain';
import { AS_OF_POLICY } from './scenario.js';

interface Known {
  readonly id: string;
  readonly kind: Progress['kind'];
  /** Microseconds: settled without a gap up to here. */
  through: number;
  /** Settled beyond a gap. */
  readonly beyond: Map<number, number>;
  end: number | null;
  heardAt: Millis;
  gapSince: Millis | null;
  gapAt: number;
}

/**
 * As-of and the publishers' leases, as as-of-store.ts and lease-store.ts keep them in SQL. What
 * decides, livePublishers and advanceAsOf, is the domain's.
 */
export class Leases {
  #asOf: AsOf;
  readonly #known = new Map<string, Known>();
  /** Given up or closed: what comes of them late makes nobody wait for them again. */
  readonly #gone = new Set<string>();
  /** Settled by batches, and not gathered yet. */
  #marks: Progress[] = [];
  /** Whether the database can be reached. */
  up = true;

  constructor(begin: Millis) {
    this.#asOf = { asOf: begin, movedAt: begin, heldSince: null };
  }

  get asOf(): Millis {
    return this.#asOf.asOf;
  }

  /** @returns microseconds: `since`, or for a worker the as-of that it takes over from. */
  register(id: string, kind: Progress['kind'], since: number, now: Millis): number {
    const from = kind === 'app' ? since : Math.min(since, this.asOf * 1_000);
    if (!this.up) return from;
    const known = this.#known.get(id);
    if (known !== undefined) known.heardAt = now;
    else this.#known.set(id, newcomer(id, kind, from, now));
    return from;
  }

  /** @returns false where the lease is not known (any more). */
  renew(id: string, now: Millis): boolean {
    const known = this.#known.get(id);
    if (known !== undefined) known.heardAt = now;
    return known !== undefined;
  }

  settle(progress: Progress): void {
    this.#marks.push(progress);
  }

  /** Takes account of what is settled, and moves as-of on. */
  advance(now: Millis): Millis {
    for (const mark of this.#marks) this.#gather(mark, now);
    this.#marks = [];
    const publishers = livePublishers(this.#publishers(now), now, AS_OF_POLICY);
    for (const { id } of publishers.gone) this.#leave(id);
    this.#asOf = advanceAsOf(this.#asOf, publishers, now, AS_OF_POLICY);
    return this.asOf;
  }

  #gather({ publisher, kind, since, from, through, last }: Progress, now: Millis): void {
    let known = this.#known.get(publisher);
    if (known === undefined) {
      if (this.#gone.has(publisher)) return;
      known = newcomer(publisher, kind, since, now);
      this.#known.set(publisher, known);
    }
    known.heardAt = now;
    if (last) known.end = through;
    if (from > known.through)
      known.beyond.set(from, Math.max(through, known.beyond.get(from) ?? 0));
    else known.through = Math.max(known.through, through);
    closeGaps(known);
  }

  #leave(id: string): void {
    this.#known.delete(id);
    this.#gone.add(id);
  }

  #publishers(now: Millis): Publisher[] {
    const publishers: Publisher[] = [];
    for (const known of this.#known.values()) {
      if (known.end !== null && known.through >= known.end) this.#leave(known.id);
      else publishers.push(publisherOf(known, now));
    }
    return publishers;
  }
}

function newcomer(id: string, kind: Progress['kind'], since: number, now: Millis): Known {
  const beyond = new Map<number, number>();
  return { id, kind, through: since, beyond, end: null, heardAt: now, gapSince: null, gapAt: -1 };
}

/** Intervals of one publisher never overlap but in repeats, so each begins where another ends. */
function closeGaps(known: Known): void {
  for (;;) {
    const through = known.beyond.get(known.through);
    if (through === undefined) break;
    known.beyond.delete(known.through);
    known.through = through;
  }
}

function publisherOf(known: Known, now: Millis): Publisher {
  if (known.beyond.size === 0) known.gapSince = null;
  else if (known.gapSince === null || known.gapAt !== known.through) known.gapSince = now;
  known.gapAt = known.through;
  const { id, kind, through, heardAt, gapSince } = known;
  return { id, kind, through: Math.floor(through / 1_000) - 1, heardAt, gapSince };
}
