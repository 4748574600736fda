import {
  compareEvents,
  compareSessionIds,
  declaredStatus,
  endsSession,
  Fold,
  greaterEvent,
  isStatus,
  isTransition,
  isUserId,
  type PresenceEvent,
} from '@presence/domain';
import { expect } from 'chai';
import fc from 'fast-check';
import { anyEvent } from './arbitraries.js';

const RUNS = { numRuns: 10_000 };

describe('The order of events', () => {
  it('is total: antisymmetric and transitive', () => {
    fc.assert(
      fc.property(anyEvent, anyEvent, anyEvent, (a, b, c) => {
        expect(Math.sign(compareEvents(a, b)) + Math.sign(compareEvents(b, a))).to.equal(0);
        if (compareEvents(a, b) <= 0 && compareEvents(b, c) <= 0) {
          expect(compareEvents(a, c)).to.be.at.most(0);
        }
      }),
      RUNS,
    );
  });

  it('asks the time first, then whether it is explicit, then the status, then the session', () => {
    const least = { type: 'activity', occurredAt: 1, status: 'online', sessionId: '' } as const;
    const ascending = [
      least,
      { ...least, sessionId: 'a' },
      { ...least, type: 'heartbeat', status: 'away' },
      { ...least, type: 'status_set' },
      { ...least, type: 'status_set', status: 'away' },
      { ...least, type: 'logout', status: 'offline' },
      { ...least, occurredAt: 2 },
    ] as const;
    for (const [at, event] of ascending.entries()) {
      for (const lesser of ascending.slice(0, at))
        expect(greaterEvent(event, lesser)).to.equal(event);
    }
  });
});

describe('The order of session ids', () => {
  it('is that of their UTF-8 bytes', () => {
    const text = fc.string({ unit: 'binary', maxLength: 4 });
    const bytes = new TextEncoder();
    fc.assert(
      fc.property(text, text, (a, b) => {
        const expected = compareBytes(bytes.encode(a), bytes.encode(b));
        expect(Math.sign(compareSessionIds(a, b))).to.equal(expected);
      }),
      RUNS,
    );
  });
});

describe('A fold', () => {
  it('holds the greatest event of each user, whatever the order', () => {
    fc.assert(
      fc.property(fc.array(anyEvent, { minLength: 1, maxLength: 8 }), (events) => {
        const fold = new Fold<number, PresenceEvent>();
        for (const event of events) fold.add(event.userId, event);
        const [greatest] = fold.takeAll();
        for (const event of events) expect(compareEvents(greatest!, event)).to.be.at.least(0);
      }),
      RUNS,
    );
  });

  it('hands out each event once, of the longest-waiting user first', () => {
    const fold = new Fold<number, PresenceEvent>();
    const event = { type: 'activity', occurredAt: 1, status: 'online', sessionId: '' } as const;
    for (const userId of [3, 1, 2, 3]) fold.add(userId, { ...event, userId });
    expect(fold.size).to.equal(3);
    expect(fold.takeAll().map(({ userId }) => userId)).to.deep.equal([3, 1, 2]);
    expect(fold.size).to.equal(0);
    expect(fold.takeAll()).to.deep.equal([]);
    fold.add(1, { ...event, userId: 1 });
    expect(fold.takeAll().map(({ userId }) => userId)).to.deep.equal([1]);
  });
});

describe('An event type', () => {
  it('says which status it declares, and which it may not carry', () => {
    expect(declaredStatus('activity')).to.equal('online');
    expect(declaredStatus('login', 'away')).to.equal('online');
    expect(declaredStatus('logout', 'online')).to.equal('offline');
    expect(declaredStatus('heartbeat')).to.equal('online');
    expect(declaredStatus('heartbeat', 'away')).to.equal('away');
    expect(declaredStatus('heartbeat', 'offline')).to.equal(undefined);
    expect(declaredStatus('status_set')).to.equal(undefined);
    expect(declaredStatus('status_set', 'offline')).to.equal('offline');
  });

  it('is a transition unless it repeats by itself', () => {
    expect(isTransition('login')).to.equal(true);
    expect(isTransition('heartbeat')).to.equal(false);
    expect(isTransition('activity')).to.equal(false);
  });

  it('ends a session only as a logout that names one', () => {
    const logout = { type: 'logout', occurredAt: 1, status: 'offline', sessionId: 's' } as const;
    expect(endsSession(logout)).to.equal(true);
    expect(endsSession({ ...logout, sessionId: '' })).to.equal(false);
    expect(endsSession({ ...logout, type: 'status_set' })).to.equal(false);
  });
});

describe('What is taken for a status or an id', () => {
  it('is one of three words', () => {
    expect(['online', 'away', 'offline', 'busy', null].map(isStatus)).to.deep.equal([
      true,
      true,
      true,
      false,
      false,
    ]);
  });

  it('is a positive integer up to 2^53 − 1', () => {
    expect([1, 2 ** 53 - 1].every(isUserId)).to.equal(true);
    expect([0, -1, 1.5, 2 ** 53, '1', null, Number.NaN].some(isUserId)).to.equal(false);
  });
});

function compareBytes(a: Uint8Array, b: Uint8Array): number {
  for (let at = 0; at < Math.min(a.length, b.length); at++) {
    if (a[at] !== b[at]) return Math.sign(a[at]! - b[at]!);
  }
  return Math.sign(a.length - b.length);
}
