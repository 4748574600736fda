import {
  type Millis,
  NEVER_SEEN,
  type Presence,
  type StatusChange,
  type UserId,
} from '@presence/domain';
import { type Entry, Ledger } from '../dist/ledger.js';
import { type Finding, type FindingKind, type Row, reckon, type Seen } from '../dist/reckoning.js';

export const USER: UserId = 1;
export const AT: Millis = Date.UTC(2024, 0, 15, 10, 30);
export const POLICY = { offlineAfter: 110_000 };
export const SESSION = 'a session';

/** A heartbeat that was answered 200, unless told otherwise. */
export function entry(over: Partial<Entry> = {}): Entry {
  const at = over.earliest ?? AT;
  return {
    ...{ userId: USER, type: 'heartbeat', status: 'online', sessionId: SESSION },
    ...{ earliest: at, latest: at, source: 'http://api', code: 200, fate: 'certain' },
    ...{ sentAt: at, answeredAt: at },
    ...over,
  };
}

export function ledgerOf(...entries: readonly Entry[]): Ledger {
  const ledger = new Ledger();
  ledger.open(USER);
  for (const one of entries) ledger.write(one);
  return ledger;
}

export type RowParts = Partial<Omit<Row, 'presence'>> & { readonly presence?: Partial<Presence> };

/** A row that says what the heartbeat of {@link entry} says, unless told otherwise. */
export function row(over: RowParts = {}): Row {
  const heartbeat = { lastSeen: AT, status: 'online', sessionId: SESSION } as const;
  const presence = { ...NEVER_SEEN, ...heartbeat, ...over.presence };
  return { userId: USER, shown: 'online', sessionEnded: false, ...over, presence };
}

export function change(over: Partial<StatusChange> = {}): StatusChange {
  const version = over.version ?? 1;
  return {
    ...{ id: `change ${version}`, userId: USER, version, from: 'offline', to: 'online' },
    ...{ at: AT, lastSeen: AT, cause: 'heartbeat' },
    ...over,
  };
}

export function findings(ledger: Ledger, seen: Partial<Seen> & { row?: Row } = {}): Finding[] {
  const whole: Seen = {
    ...{ asOf: AT + 1_000, strangers: [], changes: [change()], letters: [] },
    ...{ rows: new Map([[USER, seen.row ?? row()]]), ...seen },
  };
  return reckon(ledger.accounts, ledger.letters, whole, POLICY);
}

export function kinds(found: readonly Finding[]): FindingKind[] {
  return found.map(({ kind }) => kind);
}
