import { createWriteStream, type WriteStream } from 'node:fs';
import {
  applyEvent,
  endSession,
  type Millis,
  NEVER_SEEN,
  type Presence,
  type RefusalReason,
  type SessionId,
  type Status,
  type UserId,
} from '@presence/domain';
import { type Claim, leastEvent } from './claim.js';
import type { Seen } from './reckoning.js';

/** A claim with all else that is written down of it. */
export interface Entry extends Claim {
  readonly sentAt: Millis;
  readonly answeredAt: Millis;
  /** Of the answer, or why there was none. */
  readonly body?: unknown;
}

/** All that was promised about one user. */
export interface Account {
  readonly userId: UserId;
  /** What earlier reckonings have found in order: the claims behind it are forgotten. */
  base: Presence;
  /** The status that the last change of an earlier reckoning told, and its version. */
  shown: Status;
  version: number;
  claims: Claim[];
}

/** A letter that must be in the dead-letter queue. */
export interface ExpectedLetter {
  readonly reason: RefusalReason;
  readonly body: string;
}

/** Where entries go in full, as JSON lines. */
export type Sink = (line: object) => void;

/** A file of JSON lines; `null`: nowhere. */
export function ledgerFile(file: string | null): { sink: Sink; close(): Promise<void> } {
  if (file === null) return { sink: () => {}, close: () => Promise.resolve() };
  const stream: WriteStream = createWriteStream(file);
  return {
    sink: (line) => stream.write(`${JSON.stringify(line)}\n`),
    close: () => new Promise((resolve) => stream.end(resolve)),
  };
}

/**
 * Every answer that a client got, and every confirmation of the broker, of one case. It knows
 * nothing of how the service works: what was told is all that it holds against the rows.
 */
export class Ledger {
  readonly #sink: Sink;
  readonly #accounts = new Map<UserId, Account>();
  readonly letters: ExpectedLetter[] = [];
  /** Answers that no client should ever see. */
  readonly unexpected: string[] = [];
  /** How many events were promised. */
  acknowledged = 0;
  /** How many may have been accepted, and may not. */
  unanswered = 0;

  constructor(sink: Sink = () => {}) {
    this.#sink = sink;
  }

  get accounts(): ReadonlyMap<UserId, Account> {
    return this.#accounts;
  }

  /** Whoever is named is reckoned, whether or not they speak. */
  open(userId: UserId): Account {
    let account = this.#accounts.get(userId);
    if (account === undefined) {
      account = { userId, base: NEVER_SEEN, shown: 'offline', version: 0, claims: [] };
      this.#accounts.set(userId, account);
    }
    return account;
  }

  write(entry: Entry): void {
    const { sentAt: _, answeredAt: __, body: ___, ...claim } = entry;
    this.open(entry.userId).claims.push(claim);
    if (entry.fate === 'certain') this.acknowledged++;
    if (entry.fate === 'uncertain') this.unanswered++;
    this.#sink({ entry: 'answer', ...entry });
  }

  expectLetter(letter: ExpectedLetter): void {
    this.letters.push(letter);
    this.#sink({ entry: 'expected letter', ...letter });
  }

  /** An answer that must never be; it is a miss of the case. */
  wonder(what: string): void {
    this.unexpected.push(what);
    this.#sink({ entry: 'unexpected', what });
  }

  /** What is neither claim nor promise, but was seen: changes, letters, kills. */
  note(entry: string, line: object): void {
    this.#sink({ entry, at: Date.now(), ...line });
  }

  /**
   * An API was killed. What it had recorded since then, it had not promised to have on the
   * broker's disk. Transitions that it answered stand.
   */
  revoke(source: string, since: Millis): void {
    this.note('killed', { source, since });
    for (const { claims } of this.#accounts.values()) {
      for (const claim of claims) if (isRevoked(claim, source, since)) claim.fate = 'uncertain';
    }
  }

  /** After a reckoning that found everything in order: all of it becomes the base. */
  close({ rows, changes }: Pick<Seen, 'rows' | 'changes'>): void {
    for (const { userId, version } of changes ?? []) {
      const account = this.open(userId);
      account.version = Math.max(account.version, version);
    }
    for (const account of this.#accounts.values()) {
      const row = rows.get(account.userId);
      if (row === undefined) continue;
      account.base = row.presence;
      account.shown = row.shown;
      account.claims = [];
    }
    this.letters.length = 0; // They have been taken out of their queue.
  }
}

/** The domain's own fold of all that is certain: the row must be this, or greater. */
export function foldOfCertain({ base, claims }: Account): Presence {
  return claims.reduce((presence, claim) => {
    if (claim.fate !== 'certain') return presence;
    const event = { ...leastEvent(claim) };
    const applied = applyEvent(presence, event);
    return claim.type === 'logout' ? endSession(applied, event.sessionId) : applied;
  }, base);
}

/** The sessions that an account's logouts of this fate have ended. */
export function endedBy({ claims }: Account, fate: Claim['fate']): Set<SessionId> {
  return new Set(
    claims.flatMap(({ type, sessionId, fate: its }) =>
      type === 'logout' && its === fate && sessionId ? [sessionId] : [],
    ),
  );
}

function isRevoked({ type, source, fate, latest }: Claim, killed: string, since: Millis): boolean {
  if (source !== killed || fate !== 'certain' || latest < since) return false;
  return type === 'activity' || type === 'heartbeat';
}
