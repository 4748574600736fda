import { randomUUID } from 'node:crypto';
import { setTimeout as delay } from 'node:timers/promises';
import { APP_LEASE, type Duration, type LeaseStore, type Progress } from '@presence/domain';
import type { PublisherName } from './batch-log.js';

export interface LeaseOptions {
  readonly kind: Progress['kind'];
  /** Where leases are kept; an app may do without: its first message makes it known. */
  readonly store?: LeaseStore | undefined;
  readonly onError: (error: unknown) => void;
}

/** Given up a little before others do, so that nobody promises what nobody waits for any more. */
const LAPSES_AFTER: Duration = APP_LEASE - 2_000;
/** A worker is given up after 8 s, an app after 60 s. */
const RENEW_EVERY: Record<Progress['kind'], Duration> = { app: 5_000, worker: 2_000 };
/** How long an app's first event waits for a database that does not answer. */
const REGISTRATION_TIMEOUT: Duration = 1_000;

/**
 * A publisher's claim that as-of waits for it. Renewed by what the broker confirms and, where
 * there is one, in the database; measured by the monotonic clock.
 */
export class Lease {
  readonly #options: LeaseOptions;
  #publisher = randomUUID();
  #registered = false;
  #heardAt = performance.now();

  constructor(options: LeaseOptions) {
    this.#options = options;
  }

  get renewEvery(): Duration {
    return RENEW_EVERY[this.#options.kind];
  }

  get lapsed(): boolean {
    return performance.now() - this.#heardAt > LAPSES_AFTER;
  }

  /** Something sent at `at` (monotonic) was confirmed. */
  heard(at: number): void {
    this.#heardAt = Math.max(this.#heardAt, at);
  }

  /**
   * Begins a new life, under a new name. An app begins at `since` even if the database does not
   * answer; a worker takes over from an as-of that only the database knows, and waits.
   */
  async begin(since: number, signal: AbortSignal): Promise<PublisherName> {
    this.#publisher = randomUUID();
    this.#registered = false;
    this.#heardAt = performance.now();
    const { kind } = this.#options;
    let from = await this.#register(since);
    while (from === undefined && kind === 'worker') {
      await delay(REGISTRATION_TIMEOUT, undefined, { signal });
      from = await this.#register(since);
    }
    return { publisher: this.#publisher, kind, since: from ?? since };
  }

  /** @returns false where as-of does not wait for this publisher any more: begin anew. */
  async renew(since: number): Promise<boolean> {
    const { store, onError } = this.#options;
    if (store === undefined) return true;
    try {
      const asked = performance.now();
      if (this.#registered) {
        if (!(await store.renew(this.#publisher))) return false;
      } else {
        await this.#registerNow(store, since);
      }
      this.heard(asked);
    } catch (error) {
      onError(error);
    }
    return true;
  }

  /** Where nothing is left on its way. */
  async release(): Promise<void> {
    const { store, onError } = this.#options;
    await store?.release(this.#publisher).catch(onError);
  }

  async #register(since: number): Promise<number | undefined> {
    const { store, onError } = this.#options;
    if (store === undefined) return since;
    const registration = this.#registerNow(store, since).catch((error: unknown) => {
      onError(error);
      return undefined;
    });
    return Promise.race([registration, delay(REGISTRATION_TIMEOUT, undefined, { ref: false })]);
  }

  async #registerNow(store: LeaseStore, since: number): Promise<number> {
    const from = await store.register(this.#publisher, this.#options.kind, since);
    this.#registered = true;
    return from;
  }
}
