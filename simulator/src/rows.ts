import {
  applyEvent,
  declaredPresence,
  expiryStep,
  type Millis,
  NEVER_SEEN,
  type Presence,
  type PresenceEvent,
  type Shown,
  type SilencePolicy,
  STATUSES,
  type Status,
  stepsBetween,
  visibleStatus,
} from '@presence/domain';
import type { Ledger } from './ledger.js';
import { OFFLINE_AFTER } from './scenario.js';
import { Silence } from './silence.js';

const POLICY: SilencePolicy = { offlineAfter: OFFLINE_AFTER };

/** What a rule makes of events and of time: the real one, and the naive one beside it. */
export interface Rows {
  readonly ledger: Ledger;
  apply(event: PresenceEvent, now: Millis): void;
  /** Looks whose silence has run out. */
  sweep(now: Millis, asOf: Millis): void;
}

/** The database's rows, folded by the domain: nothing here decides, it only keeps. */
export class PresenceRows implements Rows {
  readonly #rows: (Presence | undefined)[];
  /** What is shown: an index into STATUSES. */
  readonly #shown: Uint8Array;
  readonly #silence: Silence;
  #asOf: Millis;
  /** Steps of visible status that would have been announced. */
  changes = 0;
  expiries = 0;

  constructor(
    readonly ledger: Ledger,
    users: number,
    begin: Millis,
  ) {
    this.#rows = new Array<Presence | undefined>(users);
    this.#shown = new Uint8Array(users).fill(STATUSES.indexOf('offline'));
    this.#silence = new Silence(users, begin, OFFLINE_AFTER);
    this.#asOf = begin;
  }

  apply(event: PresenceEvent, now: Millis): void {
    const user = event.userId;
    const before = this.#rows[user] ?? NEVER_SEEN;
    const after = applyEvent(before, event);
    this.#rows[user] = after;
    const status = visibleStatus(after, this.#asOf, POLICY);
    const shown = STATUSES[this.#shown[user]!]!;
    if (status !== shown) this.#changed(event, { status: shown, lastSeen: before.lastSeen }, after);
    this.#tell(user, after, status, now);
  }

  sweep(now: Millis, asOf: Millis): void {
    if (asOf === this.#asOf) return;
    this.#asOf = asOf;
    this.#silence.runOut(asOf, (user) => this.#look(user, now));
  }

  #look(user: number, now: Millis): Millis | null {
    const { lastSeen } = this.#rows[user]!;
    const status = STATUSES[this.#shown[user]!]!;
    if (status === 'offline') return null;
    const step = expiryStep({ status, lastSeen }, this.#asOf, POLICY);
    if (step === undefined) return lastSeen;
    this.#shown[user] = STATUSES.indexOf(step.to);
    this.changes++;
    this.expiries++;
    this.ledger.expired(user, now);
    return null;
  }

  #changed({ userId, type, occurredAt: at }: PresenceEvent, before: Shown, after: Presence): void {
    const status = visibleStatus(after, this.#asOf, POLICY);
    const to = { status, lastSeen: after.lastSeen };
    this.changes += stepsBetween(before, to, { cause: type, at }, this.#asOf, POLICY).length;
    this.#shown[userId] = STATUSES.indexOf(status);
  }

  #tell(user: number, row: Presence, status: Status, now: Millis): void {
    const seen = row.lastSeen!;
    const shown = status !== 'offline';
    const silent = !shown && declaredPresence(row) !== 'offline';
    this.ledger.wrote(user, now, { shown, seen, silent });
    if (shown) this.#silence.watch(user, seen);
  }
}
