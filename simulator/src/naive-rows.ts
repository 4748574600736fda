import type { Millis, PresenceEvent } from '@presence/domain';
import type { Ledger } from './ledger.js';
import type { Rows } from './rows.js';
import { Silence } from './silence.js';

/**
 * The usual way, to compare with: the last arrival overwrites status and last_seen whatever its
 * time, a logout is an overwrite like any other, and silence is measured against the clock.
 */
export class NaiveRows implements Rows {
  readonly #seen: Int32Array;
  readonly #silence: Silence;

  constructor(
    readonly ledger: Ledger,
    users: number,
    begin: Millis,
  ) {
    this.#seen = new Int32Array(users);
    this.#silence = new Silence(users, begin, ledger.allow.offlineAfter);
  }

  apply({ userId: user, occurredAt: seen, status }: PresenceEvent, now: Millis): void {
    const declared = status !== 'offline';
    this.#seen[user] = seen;
    const silent = declared && now - seen > this.ledger.allow.offlineAfter;
    const shown = declared && !silent;
    this.ledger.wrote(user, now, { shown, seen, silent });
    if (shown) this.#silence.watch(user, seen);
  }

  sweep(now: Millis): void {
    this.#silence.runOut(now, (user) => this.#look(user, now));
  }

  #look(user: number, now: Millis): Millis | null {
    if (this.ledger.shown[user] === 0) return null;
    const seen = this.#seen[user]!;
    if (now - seen <= this.ledger.allow.offlineAfter) return seen;
    this.ledger.expired(user, now);
    return null;
  }
}
