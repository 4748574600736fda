import {
  compareEvents,
  declaredPresence,
  type EventFacts,
  isSilent,
  type Millis,
  type Presence,
  type SilencePolicy,
  type Status,
  type StatusChange,
  type UserId,
} from '@presence/domain';
import { type Claim, leastEvent, mayBe } from './claim.js';
import { type Account, type ExpectedLetter, endedBy, foldOfCertain } from './ledger.js';

/** A row as it stands, and the sessions that its user has ended. */
export interface Row {
  readonly userId: UserId;
  /** `endedSessions` is what the table of ended sessions holds. */
  readonly presence: Presence;
  /** What filters and counts go by. */
  readonly shown: Status;
  /** Whether the row says that its session has ended. */
  readonly sessionEnded: boolean;
}

export interface DeadLetter {
  readonly reason: string;
  readonly body: string;
}

/** All that can be seen once the system is whole and its queue is empty. */
export interface Seen {
  readonly asOf: Millis;
  readonly rows: ReadonlyMap<UserId, Row>;
  /** Users that nobody added. */
  readonly strangers: readonly UserId[];
  /** In order of hearing, repeats included. `null`: this case cannot hear all of them. */
  readonly changes: readonly StatusChange[] | null;
  readonly letters: readonly DeadLetter[];
}

export type FindingKind =
  /** Something that was promised is not there. */
  | 'lost'
  /** Something has had its effect twice. */
  | 'doubled'
  /** A row, or a letter, says what nobody sent, or contradicts itself. */
  | 'wrong'
  /** Somebody who kept speaking was told absent. */
  | 'absent';

export interface Finding {
  readonly kind: FindingKind;
  readonly userId: UserId | null;
  readonly text: string;
}

/** What the books have that the world has not, and the other way round: nothing, one hopes. */
export function reckon(
  accounts: ReadonlyMap<UserId, Account>,
  expectedLetters: readonly ExpectedLetter[],
  seen: Seen,
  policy: SilencePolicy,
): Finding[] {
  const changes = seen.changes === null ? null : changesByUser(seen.changes);
  const findings = [...accounts.values()].flatMap((account) => {
    const row = seen.rows.get(account.userId);
    if (row === undefined) return [find('lost', account.userId, 'has no row')];
    const told = changes?.get(account.userId) ?? [];
    return [
      ...lostEvents(account, row),
      ...wrongKey(account, row),
      ...endedSessions(account, row),
      ...wrongStatus(row, seen.asOf, policy),
      ...(changes === null ? [] : brokenChain(account, row, told)),
      ...toldAbsent(account, told),
    ];
  });
  return [
    ...findings,
    ...seen.strangers.map((userId) => find('wrong', userId, 'is a user whom nobody added')),
    ...letterFindings(expectedLetters, seen.letters),
  ];
}

function find(kind: FindingKind, userId: UserId | null, text: string): Finding {
  return { kind, userId, text };
}

/** What the row says, as the event that decided it. */
function decidingEvent({ presence }: Row): EventFacts | null {
  const { lastSeen, explicit, status, sessionId } = presence;
  if (lastSeen === null) return null;
  return { type: explicit ? 'status_set' : 'activity', occurredAt: lastSeen, status, sessionId };
}

/** The row is a join: an event that was applied is not greater than it. */
function lostEvents(account: Account, row: Row): Finding[] {
  const { userId, claims } = account;
  const decided = decidingEvent(row);
  const isIn = (event: EventFacts) => decided !== null && compareEvents(event, decided) <= 0;
  const lost = claims.filter((claim) => claim.fate === 'certain' && !isIn(leastEvent(claim)));
  const findings = lost.map((claim) =>
    find('lost', userId, `${claimText(claim)} is not in its row (${rowText(row)})`),
  );
  const fold = foldOfCertain(account);
  if (findings.length > 0 || fold.lastSeen === null) return findings;
  const floor = decidingEvent({ ...row, presence: fold })!;
  return isIn(floor) ? [] : [find('lost', userId, `${rowText(row)} is less than it was`)];
}

/** Nothing is there that nobody sent. */
function wrongKey({ userId, base, claims }: Account, row: Row): Finding[] {
  const event = decidingEvent(row);
  if (event === null) return [];
  const said = { ...event, explicit: row.presence.explicit };
  if (isSame(base, row.presence)) return [];
  if (claims.some((claim) => claim.fate !== 'refused' && mayBe(claim, said))) return [];
  return [find('wrong', userId, `${rowText(row)} is what nobody sent`)];
}

function isSame(a: Presence, b: Presence): boolean {
  return (
    a.lastSeen === b.lastSeen &&
    a.explicit === b.explicit &&
    a.status === b.status &&
    a.sessionId === b.sessionId
  );
}

function endedSessions(account: Account, row: Row): Finding[] {
  const { userId, base } = account;
  const { endedSessions, explicit, sessionId } = row.presence;
  const [certain, uncertain] = [endedBy(account, 'certain'), endedBy(account, 'uncertain')];
  const known = (id: string) => certain.has(id) || uncertain.has(id) || base.endedSessions.has(id);
  const masked = !explicit && endedSessions.has(sessionId);
  return [
    ...[...certain, ...base.endedSessions]
      .filter((id) => !endedSessions.has(id))
      .map((id) => find('lost', userId, `the end of session ${id} is not recorded`)),
    ...[...endedSessions]
      .filter((id) => !known(id))
      .map((id) => find('wrong', userId, `session ${id} ended, and nobody ended it`)),
    ...(masked === row.sessionEnded
      ? []
      : [find('wrong', userId, `${rowText(row)} says session_ended ${row.sessionEnded}`)]),
  ];
}

/** What is shown is what is declared, or offline where silence has run out. */
function wrongStatus(row: Row, asOf: Millis, policy: SilencePolicy): Finding[] {
  const { presence, shown, userId } = row;
  const declared = presence.lastSeen === null ? 'offline' : declaredPresence(presence);
  const mayBeSilent = isSilent(presence.lastSeen, asOf, policy);
  if (shown === declared || (shown === 'offline' && mayBeSilent)) return [];
  return [find('wrong', userId, `shows ${shown}, and declares ${declared} (${rowText(row)})`)];
}

/** One change for each step between committed rows, and for nothing else. */
function brokenChain({ userId, shown, version }: Account, row: Row, told: readonly StatusChange[]) {
  const findings: Finding[] = [];
  const byVersion = new Map<number, StatusChange>();
  for (const change of told) {
    if (change.version <= version) continue; // Heard again, after an earlier reckoning.
    const known = byVersion.get(change.version);
    if (known === undefined) byVersion.set(change.version, change);
    else if (JSON.stringify(known) !== JSON.stringify(change)) {
      findings.push(find('doubled', userId, `version ${change.version} was told in two ways`));
    }
  }
  let from = shown;
  let before: StatusChange | undefined;
  for (const change of [...byVersion.values()].sort((a, b) => a.version - b.version)) {
    if (change.from !== from) findings.push(brokenAt(userId, from, before, change));
    from = change.to;
    before = change;
  }
  if (from !== row.shown) {
    const text = `the last change told ${from}, and the row shows ${row.shown}`;
    findings.push(find('lost', userId, text));
  }
  return findings;
}

function brokenAt(
  userId: UserId,
  from: Status,
  before: StatusChange | undefined,
  now: StatusChange,
) {
  const again = before?.from === now.from && before.to === now.to;
  const step = `${now.from} → ${now.to} (version ${now.version})`;
  return again
    ? find('doubled', userId, `the change ${step} was announced twice, under two ids`)
    : find('lost', userId, `the change from ${from} to ${now.from} is missing before ${step}`);
}

/** Who was heard, or refused, before their silence was over, cannot have been silent. */
function toldAbsent({ userId, claims }: Account, told: readonly StatusChange[]): Finding[] {
  return told
    .filter(({ cause }) => cause === 'expired')
    .filter(({ at, lastSeen }) =>
      claims.some(
        ({ fate, code, earliest, latest }) =>
          earliest > lastSeen && latest <= at && (fate === 'certain' || code === 503),
      ),
    )
    .map(({ at }) =>
      find('absent', userId, `was told silent at ${time(at)}, and had spoken before`),
    );
}

function changesByUser(changes: readonly StatusChange[]): Map<UserId, StatusChange[]> {
  const byUser = new Map<UserId, StatusChange[]>();
  for (const change of changes) {
    const known = byUser.get(change.userId);
    if (known) known.push(change);
    else byUser.set(change.userId, [change]);
  }
  return byUser;
}

/** Each letter that must be there is, at least once, and no other. */
function letterFindings(
  expected: readonly ExpectedLetter[],
  letters: readonly DeadLetter[],
): Finding[] {
  const key = ({ reason, body }: DeadLetter) => `${reason} ${body}`;
  const there = new Set(letters.map(key));
  const due = new Set(expected.map(key));
  return [
    ...expected
      .filter((letter) => !there.has(key(letter)))
      .map((letter) => find('lost', null, `no dead letter ${letterText(letter)}`)),
    ...letters
      .filter((letter) => !due.has(key(letter)))
      .map((letter) => find('wrong', null, `a dead letter ${letterText(letter)}`)),
  ];
}

function letterText({ reason, body }: DeadLetter): string {
  return `${reason}: ${body.length > 200 ? `${body.slice(0, 200)}…` : body}`;
}

function claimText({ type, status, sessionId, earliest, code, source }: Claim): string {
  const told = code === 0 ? 'confirmed' : `answered ${code}`;
  const when = `at ${time(earliest)}, session ${sessionId || '–'}`;
  return `${type} (${status}) ${when}, ${told} by ${source},`;
}

function rowText({ presence: { lastSeen, explicit, status, sessionId } }: Row): string {
  const how = explicit ? 'explicitly' : 'implicitly';
  if (lastSeen === null) return 'never seen';
  return `${status} ${how} at ${time(lastSeen)}, session ${sessionId || '–'}`;
}

function time(at: Millis): string {
  return new Date(at).toISOString();
}
