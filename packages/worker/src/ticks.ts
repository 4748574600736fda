import { randomUUID } from 'node:crypto';
import type { LeaseStore, Millis, Ticker } from '@presence/domain';

interface Life {
  readonly publisher: string;
  readonly since: number;
  through: number;
  toldAt: number;
}

/**
 * The worker's own word of progress. It goes through the queue, so it comes back only once all
 * that lay before it has been delivered; and it speaks of no time after the oldest delivery that
 * this worker still holds. Thus as-of waits for a backlog, and for what is stuck in any worker.
 */
export class Ticks {
  readonly #ticker: Ticker;
  readonly #leases: LeaseStore;
  readonly #oldestHeld: () => Millis | null;
  readonly #now: () => Millis;
  #life: Life | undefined;

  constructor(parts: {
    ticker: Ticker;
    leases: LeaseStore;
    oldestHeld: () => Millis | null;
    now: () => Millis;
  }) {
    this.#ticker = parts.ticker;
    this.#leases = parts.leases;
    this.#oldestHeld = parts.oldestHeld;
    this.#now = parts.now;
  }

  /** When all that there was to tell had last been told, by the monotonic clock; of this life. */
  get toldAt(): number | undefined {
    return this.#life?.toldAt;
  }

  /**
   * Tells how far this worker has come; an interval that was not confirmed is told again.
   * @param blocked whether an alarm keeps the broker from taking anything
   */
  async tick({ blocked = false } = {}): Promise<void> {
    const life = this.#life ?? (await this.#begin(blocked));
    this.#life = life;
    const { publisher, since, through: from } = life;
    const through = microseconds(
      Math.min(this.#now(), this.#oldestHeld() ?? Number.POSITIVE_INFINITY),
    );
    if (through > from) {
      await this.#ticker.tick({ publisher, kind: 'worker', since, from, through, last: false });
      life.through = through;
    }
    life.toldAt = performance.now();
  }

  /**
   * A lease that has lapsed, after a long sleep say, is followed by a new life.
   * @returns whether there is one and it holds.
   */
  async renew(): Promise<boolean> {
    const life = this.#life;
    if (!life) return false;
    const holds = await this.#leases.renew(life.publisher);
    if (!holds && this.#life === life) this.#life = undefined;
    return holds;
  }

  /**
   * What this worker held is settled or handed back: as-of need not wait for it any more. Where the
   * database does not hear of it, the lease ends by itself.
   */
  async end(): Promise<void> {
    const life = this.#life;
    this.#life = undefined;
    if (life) await this.#leases.release(life.publisher);
  }

  /**
   * As-of waits for whoever is registered, so nobody is who may not publish, say: the first word
   * says nothing, and must be confirmed. Under an alarm it need not: that says nothing of us.
   */
  async #begin(blocked: boolean): Promise<Life> {
    const publisher = randomUUID();
    const at = microseconds(this.#now());
    const nothing = { since: at, from: at, through: at };
    if (!blocked) {
      await this.#ticker.tick({ publisher, kind: 'worker', ...nothing, last: false });
    }
    const since = await this.#leases.register(publisher, 'worker', at);
    return { publisher, since, through: since, toldAt: performance.now() };
  }
}

function microseconds(millis: Millis): number {
  return millis * 1_000;
}
