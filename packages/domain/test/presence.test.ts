import {
  applyEvent,
  declaredPresence,
  endSession,
  isOnline,
  joinPresence,
  NEVER_SEEN,
  type Presence,
  type PresenceEvent,
  setAway,
  setOffline,
  setOnline,
  updateLastSeen,
  visibleStatus,
} from '@presence/domain';
import { expect } from 'chai';
import fc from 'fast-check';
import { anyEvent, anyLog, EPOCH } from './arbitraries.js';

const RUNS = { numRuns: 10_000 };
const POLICY = { offlineAfter: 110_000 };

const fold = (events: readonly PresenceEvent[]) => events.reduce<Presence>(applyEvent, NEVER_SEEN);

const anyPresence = anyLog.map(fold);

/** A presence without the type of its event, which no rule reads. */
function heartbeat(given: Partial<PresenceEvent> = {}): PresenceEvent {
  return {
    type: 'heartbeat',
    userId: 1,
    occurredAt: EPOCH,
    status: 'online',
    sessionId: 's',
    ...given,
  };
}

describe('The join of two presences', () => {
  it('is commutative', () => {
    fc.assert(
      fc.property(anyPresence, anyPresence, (a, b) => {
        expect(joinPresence(a, b)).to.deep.equal(joinPresence(b, a));
      }),
      RUNS,
    );
  });

  it('is associative', () => {
    fc.assert(
      fc.property(anyPresence, anyPresence, anyPresence, (a, b, c) => {
        const left = joinPresence(joinPresence(a, b), c);
        expect(left).to.deep.equal(joinPresence(a, joinPresence(b, c)));
      }),
      RUNS,
    );
  });

  it('is idempotent', () => {
    fc.assert(
      fc.property(anyPresence, (a) => {
        expect(joinPresence(a, a)).to.deep.equal(a);
      }),
      RUNS,
    );
  });

  it('has never-seen as its least element', () => {
    fc.assert(
      fc.property(anyPresence, (a) => {
        expect(joinPresence(a, NEVER_SEEN)).to.deep.equal(a);
        expect(joinPresence(NEVER_SEEN, a)).to.deep.equal(a);
      }),
      RUNS,
    );
  });
});

describe('The fold of a log', () => {
  it('is the same for any permutation, repetition and split', () => {
    const deliveries = anyLog.chain((log) =>
      fc.tuple(
        fc.constant(log),
        fc.shuffledSubarray(log, { minLength: log.length, maxLength: log.length }),
        fc.shuffledSubarray(log),
        fc.nat(12),
      ),
    );
    fc.assert(
      fc.property(deliveries, ([log, shuffled, repeated, cut]) => {
        const delivered = [...shuffled, ...repeated];
        const parts = joinPresence(fold(delivered.slice(0, cut)), fold(delivered.slice(cut)));
        expect(parts).to.deep.equal(fold(log));
      }),
      RUNS,
    );
  });

  it('never moves last_seen back', () => {
    fc.assert(
      fc.property(anyPresence, anyEvent, (presence, event) => {
        const after = applyEvent(presence, event).lastSeen;
        expect(after).to.equal(Math.max(event.occurredAt, presence.lastSeen ?? 0));
      }),
      RUNS,
    );
  });

  it('lets logout beat whatever is inferred at the same moment', () => {
    const login = heartbeat({ type: 'login', sessionId: 'new' });
    const logout = heartbeat({ type: 'logout', status: 'offline', sessionId: 'old' });
    expect(declaredPresence(fold([login, logout]))).to.equal('offline');
    expect(declaredPresence(fold([logout, login]))).to.equal('offline');
  });

  it("lets an admin's status last until the next event", () => {
    const set = heartbeat({ type: 'status_set', status: 'away', sessionId: '' });
    expect(declaredPresence(fold([heartbeat(), set]))).to.equal('away');
    expect(declaredPresence(fold([set, heartbeat({ occurredAt: EPOCH + 1 })]))).to.equal('online');
  });
});

describe('The end of a session', () => {
  const late = heartbeat({ occurredAt: EPOCH + 60_000 });
  const logout = heartbeat({ type: 'logout', status: 'offline' });

  it('makes offline of its greatest event, in whatever order the two arrive', () => {
    expect(declaredPresence(fold([logout, late]))).to.equal('offline');
    expect(declaredPresence(fold([late, logout]))).to.equal('offline');
  });

  it('changes what the greatest event says, not which one is greatest', () => {
    expect(fold([logout, late]).lastSeen).to.equal(late.occurredAt);
  });

  it("leaves the user's other sessions alone", () => {
    const other = { ...late, sessionId: 'other' };
    expect(declaredPresence(endSession(fold([late, other]), 's'))).to.equal('offline');
    expect(declaredPresence(endSession(fold([other]), 's'))).to.equal('online');
  });

  it('does not unsay what an admin has set', () => {
    const set = { ...late, type: 'status_set' as const, status: 'away' as const };
    expect(declaredPresence(endSession(fold([set]), 's'))).to.equal('away');
  });
});

describe('Silence', () => {
  const seen = fold([heartbeat({ status: 'away' })]);

  it('makes a user offline once it has lasted longer than allowed, to the millisecond', () => {
    const at = (asOf: number) => visibleStatus(seen, asOf, POLICY);
    expect(at(EPOCH + POLICY.offlineAfter - 1)).to.equal('away');
    expect(at(EPOCH + POLICY.offlineAfter)).to.equal('away');
    expect(at(EPOCH + POLICY.offlineAfter + 1)).to.equal('offline');
  });

  it('has always lasted too long for a user who was never seen', () => {
    expect(visibleStatus(setAway(NEVER_SEEN), 0, POLICY)).to.equal('offline');
  });
});

describe('The methods of the user model', () => {
  it('set online: online, and seen now', () => {
    const presence = setOnline(NEVER_SEEN, EPOCH);
    expect(presence.lastSeen).to.equal(EPOCH);
    expect(isOnline(presence, EPOCH, POLICY)).to.equal(true);
  });

  it('set away: away, and not seen by it', () => {
    const presence = setAway(setOnline(NEVER_SEEN, EPOCH));
    expect(presence.lastSeen).to.equal(EPOCH);
    expect(visibleStatus(presence, EPOCH, POLICY)).to.equal('away');
    expect(isOnline(presence, EPOCH, POLICY)).to.equal(false);
  });

  it('set offline: offline, and seen now', () => {
    const presence = setOffline(setOnline(NEVER_SEEN, EPOCH), EPOCH + 1);
    expect(presence.lastSeen).to.equal(EPOCH + 1);
    expect(isOnline(presence, EPOCH + 1, POLICY)).to.equal(false);
  });

  it('update last seen: never back, whatever the clock says', () => {
    const presence = updateLastSeen(setOnline(NEVER_SEEN, EPOCH), EPOCH - 1);
    expect(presence.lastSeen).to.equal(EPOCH);
    expect(isOnline(presence, EPOCH, POLICY)).to.equal(true);
  });

  it('speak for the user, not for a session that has ended', () => {
    const ended = endSession(fold([heartbeat()]), 's');
    expect(isOnline(setOnline(ended, EPOCH), EPOCH, POLICY)).to.equal(true);
  });
});
