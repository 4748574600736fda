import { expect } from 'chai';
import type { Entry } from '../dist/ledger.js';
import {
  AT,
  change,
  entry,
  findings,
  kinds,
  ledgerOf,
  POLICY,
  type RowParts,
  row,
  SESSION,
} from './books.js';

const LOGOUT: Partial<Entry> = {
  type: 'logout',
  status: 'offline',
  sessionId: SESSION,
  earliest: AT + 10,
};
const LOGGED_OUT: RowParts = {
  shown: 'offline',
  presence: {
    lastSeen: AT + 10,
    explicit: true,
    status: 'offline',
    endedSessions: new Set([SESSION]),
  },
};
const WENT = change({ version: 2, from: 'online', to: 'offline', cause: 'logout', at: AT + 10 });

describe('The reckoning', () => {
  it('finds nothing where row and changes say what was promised', () => {
    expect(findings(ledgerOf(entry()))).to.deep.equal([]);
    const changes = [change(), WENT];
    const ledger = ledgerOf(entry(), entry(LOGOUT));
    expect(findings(ledger, { row: row(LOGGED_OUT), changes })).to.deep.equal([]);
  });

  it('finds a promised event that is not in its row, and says which', () => {
    const ledger = ledgerOf(entry(), entry({ earliest: AT + 5, status: 'away' }));
    const found = findings(ledger);
    expect(kinds(found)).to.deep.equal(['lost']);
    expect(found[0]!.text).to.match(/heartbeat \(away\) at .*answered 200/);
  });

  it('finds every promised event of a user without a row, or never seen', () => {
    expect(kinds(findings(ledgerOf(entry()), { rows: new Map() }))).to.deep.equal(['lost']);
    const never = row({ shown: 'offline', presence: { lastSeen: null, status: 'offline' } });
    const ledger = ledgerOf(entry(), entry({ earliest: AT + 1 }));
    expect(kinds(findings(ledger, { row: never, changes: [] }))).to.deep.equal(['lost', 'lost']);
  });

  it('lets an event of unknown fate be in the row or not, and its time be anywhere in its span', () => {
    const maybe = entry({ fate: 'uncertain', code: 503, earliest: AT + 5, latest: AT + 9 });
    expect(findings(ledgerOf(entry(), maybe))).to.deep.equal([]);
    const applied = row({ presence: { lastSeen: AT + 7 } });
    expect(findings(ledgerOf(entry(), maybe), { row: applied })).to.deep.equal([]);
    const outside = row({ presence: { lastSeen: AT + 10 } });
    expect(kinds(findings(ledgerOf(entry(), maybe), { row: outside }))).to.deep.equal(['wrong']);
  });

  it('finds a row that says what nobody sent: another time, status, session or explicitness', () => {
    for (const presence of [
      { lastSeen: AT + 1 },
      { status: 'away' } as const,
      { sessionId: 'another' },
      { explicit: true },
    ]) {
      const wrong = row({ presence, shown: presence.status ?? 'online' });
      const changes = [change({ to: wrong.shown })];
      expect(kinds(findings(ledgerOf(entry()), { row: wrong, changes }))).to.include('wrong');
    }
  });

  it('does not take a refused event for the one that the row bears', () => {
    const refused = entry({ earliest: AT + 5, fate: 'refused' });
    const found = findings(ledgerOf(entry(), refused), {
      row: row({ presence: { lastSeen: AT + 5 } }),
    });
    expect(kinds(found)).to.deep.equal(['wrong']);
  });

  it('finds a ghost: a user whom nobody added', () => {
    expect(kinds(findings(ledgerOf(entry()), { strangers: [77] }))).to.deep.equal(['wrong']);
  });

  it('finds a session whose end is forgotten, and one that ended by itself', () => {
    const ledger = ledgerOf(entry(), entry(LOGOUT));
    const presence = { ...LOGGED_OUT.presence, endedSessions: new Set<string>() };
    const forgotten = findings(ledger, {
      row: row({ ...LOGGED_OUT, presence }),
      changes: [change(), WENT],
    });
    expect(kinds(forgotten)).to.deep.equal(['lost']);
    const ended = row({ presence: { endedSessions: new Set(['another']) } });
    expect(kinds(findings(ledgerOf(entry()), { row: ended }))).to.deep.equal(['wrong']);
  });

  it('finds a user shown online by a session that has ended', () => {
    const skewed = entry({ earliest: AT + 50 });
    const presence = { lastSeen: AT + 50, endedSessions: new Set([SESSION]) };
    const ledger = ledgerOf(entry(), entry(LOGOUT), skewed);
    const found = findings(ledger, { row: row({ presence }) });
    expect(kinds(found)).to.deep.equal(['wrong', 'wrong']);
    const masked = row({ presence, shown: 'offline', sessionEnded: true });
    expect(findings(ledger, { row: masked, changes: [change(), WENT] })).to.deep.equal([]);
  });

  it('finds a row shown offline that is neither declared so nor silent', () => {
    const offline = row({ shown: 'offline' });
    const changes = [change(), WENT];
    expect(kinds(findings(ledgerOf(entry()), { row: offline, changes }))).to.deep.equal(['wrong']);
    const asOf = AT + POLICY.offlineAfter + 1;
    expect(findings(ledgerOf(entry()), { row: offline, changes, asOf })).to.deep.equal([]);
  });

  it('takes repeats of a change under one id, and changes heard in any order', () => {
    const ledger = ledgerOf(entry(), entry(LOGOUT));
    const changes = [WENT, change(), WENT, change()];
    expect(findings(ledger, { row: row(LOGGED_OUT), changes })).to.deep.equal([]);
  });

  it('finds a gap in the changes, at the beginning, within and at the end', () => {
    const ledger = ledgerOf(entry(), entry(LOGOUT));
    for (const changes of [[WENT], [change()], [change(), change({ ...WENT, from: 'away' })]]) {
      const found = findings(ledger, { row: row(LOGGED_OUT), changes });
      expect(kinds(found)).to.deep.equal(['lost']);
    }
  });

  it('finds a change that was announced twice under two ids, and one told in two ways', () => {
    const twice = [change(), change({ version: 2 })];
    expect(kinds(findings(ledgerOf(entry()), { changes: twice }))).to.deep.equal(['doubled']);
    const twoWays = [change(), change({ id: 'another' })];
    expect(kinds(findings(ledgerOf(entry()), { changes: twoWays }))).to.deep.equal(['doubled']);
  });

  it('finds somebody told silent who had been heard, or refused, before', () => {
    const expired = change({
      ...{ version: 2, from: 'online', to: 'offline', cause: 'expired' },
      ...{ lastSeen: AT, at: AT + POLICY.offlineAfter },
    });
    const back = change({ version: 3, at: AT + 60_000, lastSeen: AT + 60_000 });
    const changes = [change(), expired, back];
    const spoke = { earliest: AT + 60_000 };
    const heard = ledgerOf(entry(), entry(spoke));
    const seen = { row: row({ presence: { lastSeen: AT + 60_000 } }), changes };
    expect(kinds(findings(heard, seen))).to.deep.equal(['absent']);
    const refused = ledgerOf(entry(), entry({ ...spoke, code: 503, fate: 'uncertain' }));
    expect(kinds(findings(refused, seen))).to.deep.equal(['absent']);
    const unheard = ledgerOf(entry(), entry({ ...spoke, code: 0, fate: 'uncertain' }));
    expect(findings(unheard, seen)).to.deep.equal([]);
  });

  it('finds a dead letter that is missing, and one that should not be', () => {
    const ledger = ledgerOf(entry());
    const letter = { reason: 'invalid_json', body: '{' } as const;
    expect(kinds(findings(ledger, { letters: [letter] }))).to.deep.equal(['wrong']);
    ledger.expectLetter(letter);
    expect(kinds(findings(ledger))).to.deep.equal(['lost']);
    expect(findings(ledger, { letters: [letter, letter] })).to.deep.equal([]);
  });
});

describe('The ledger', () => {
  it('takes back what a killed API had recorded and not yet had confirmed, and no transition', () => {
    const late = entry({ earliest: AT + 500 });
    const transition = entry({ earliest: AT + 500, type: 'login', sessionId: 'new' });
    const elsewhere = entry({ earliest: AT + 500, source: 'http://other' });
    const ledger = ledgerOf(entry(), late, transition, elsewhere);
    ledger.revoke('http://api', AT + 400);
    const fates = [...ledger.accounts.values()].flatMap(({ claims }) => claims.map((c) => c.fate));
    expect(fates).to.deep.equal(['certain', 'uncertain', 'certain', 'certain']);
  });

  it('forgets what a reckoning has found in order, and goes on from there', () => {
    const ledger = ledgerOf(entry());
    ledger.close({ rows: new Map([[1, row()]]), changes: [change()] });
    expect(findings(ledger, { changes: [] })).to.deep.equal([]);
    expect(findings(ledger, { changes: [change()] }), 'a repeat').to.deep.equal([]);
    ledger.write(entry({ earliest: AT + 5 }));
    expect(kinds(findings(ledger, { changes: [] }))).to.deep.equal(['lost']);
    const less = row({ presence: { lastSeen: AT - 1 } });
    expect(kinds(findings(ledgerOf(), { row: less, changes: [change()] }))).to.include('wrong');
  });
});
