import { randomUUID } from 'node:crypto';
import { setTimeout as delay } from 'node:timers/promises';
import { APP_LEASE, type Duration, type LeaseStore } from '@presence/domain';
import type { PublisherName } from './batch-log.js';

export interface LeaseOptions {
  /** Where leases are kept; an app may do without: its first message makes it known. */
  readonly store?: LeaseStore | undefined;
  readonly onError: (error: unknown) => void;
}

/** Given up a little before others do, so that nobody promises what nobody waits for any more. */
const LAPSES_AFTER: Duration = APP_LEASE - 2_000;
export const RENEW_EVERY: Duration = 5_000;
/** How long the first event waits for a database that does not answer. */
const REGISTRATION_TIMEOUT: Duration = 1_000;

/**
 * A publisher's claim that as-of waits for it. Renewed by what the broker confirms and, where
 * there is one, in the database; measured by the monotonic clock.
 */
export class Lease {
  readonly #options: LeaseOptions;
  #publisher = randomUUID();
  /** Of the life that lasts; as all its messages say it. */
  #since = 0;
  #registered = false;
  /** Former names that as-of may still wait for: the database has not heard otherwise. */
  readonly #abandoned = new Set<string>();
  #heardAt = performance.now();

  constructor(options: LeaseOptions) {
    this.#options = options;
  }

  /** The name of the life that lasts. */
  get publisher(): string {
    return this.#publisher;
  }

  get lapsed(): boolean {
    return performance.now() - this.#heardAt > LAPSES_AFTER;
  }

  /** Something sent at `at` (monotonic) was confirmed. */
  heard(at: number): void {
    this.#heardAt = Math.max(this.#heardAt, at);
  }

  /**
   * Begins a new life at `since`, under a new name, even if the database does not answer. As-of must
   * not wait for what the last one has not confirmed, which the new one speaks for: a renewal, or a
   * message that was on its way for long, would make it wait for another minute.
   */
  async begin(since: number): Promise<PublisherName> {
    if (this.#options.store && this.#since > 0) this.#abandoned.add(this.#publisher);
    this.#publisher = randomUUID();
    this.#since = since;
    this.#registered = false;
    this.#heardAt = performance.now();
    const { publisher } = this;
    await this.#register();
    void this.#releaseAbandoned().catch(this.#options.onError);
    return { publisher, kind: 'app', since };
  }

  /** @returns false where as-of does not wait for this publisher any more: begin anew. */
  async renew(): Promise<boolean> {
    const { store, onError } = this.#options;
    if (store === undefined) return true;
    try {
      const asked = performance.now();
      if (this.#registered) {
        if (!(await store.renew(this.#publisher))) return false;
      } else {
        await this.#registerNow(store);
      }
      this.heard(asked);
      await this.#releaseAbandoned();
    } catch (error) {
      onError(error);
    }
    return true;
  }

  /** Not before as-of waits for the new name: it speaks for what the old ones have lost. */
  async #releaseAbandoned(): Promise<void> {
    const { store } = this.#options;
    if (store === undefined) return;
    for (const publisher of this.#abandoned) {
      if (!this.#registered) return;
      await store.release(publisher);
      this.#abandoned.delete(publisher);
    }
  }

  async #register(): Promise<void> {
    const { store, onError } = this.#options;
    if (store === undefined) return;
    const registration = this.#registerNow(store).catch(onError);
    await Promise.race([registration, delay(REGISTRATION_TIMEOUT, undefined, { ref: false })]);
  }

  async #registerNow(store: LeaseStore): Promise<void> {
    const publisher = this.#publisher;
    await store.register(publisher, 'app', this.#since);
    if (publisher === this.#publisher) this.#registered = true;
  }
}
