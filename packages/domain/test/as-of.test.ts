import {
  type AsOf,
  advanceAsOf,
  asOfPolicy,
  livePublishers,
  type Publisher,
} from '@presence/domain';
import { expect } from 'chai';
import fc from 'fast-check';
import { EPOCH } from './arbitraries.js';

const POLICY = asOfPolicy(30_000, 15_000);
const moving: AsOf = { asOf: EPOCH, movedAt: EPOCH, heldSince: null };

function app(through: number, heardAt = through): Publisher {
  return { id: `app ${through}`, kind: 'app', through, heardAt, gapSince: null };
}

function worker(through: number, heardAt = through): Publisher {
  return { id: `worker ${through}`, kind: 'worker', through, heardAt, gapSince: null };
}

/** Where nobody is given up. */
function advance(current: AsOf, live: readonly Publisher[], now: number): AsOf {
  return advanceAsOf(current, { live, gone: [], silent: [] }, now, POLICY);
}

describe('As-of', () => {
  it('goes as far as the slowest publisher', () => {
    const next = advance(moving, [app(EPOCH + 500), worker(EPOCH + 300)], EPOCH + 600);
    expect(next).to.deep.equal({ asOf: EPOCH + 300, movedAt: EPOCH + 600, heldSince: null });
  });

  it('stands while nobody is live, and while anybody stands', () => {
    expect(advance(moving, [], EPOCH + 600)).to.equal(moving);
    const publishers = [app(EPOCH - 5), worker(EPOCH + 300)];
    expect(advance(moving, publishers, EPOCH + 600)).to.equal(moving);
  });

  it('never moves back', () => {
    const times = fc.integer({ min: EPOCH - 100_000, max: EPOCH + 100_000 });
    const steps = fc.array(fc.tuple(fc.array(times, { maxLength: 3 }), times));
    fc.assert(
      fc.property(steps, (runs) => {
        let current = moving;
        for (const [throughs, now] of runs) {
          const live = throughs.map((time) => app(time));
          const next = advance(current, live, now);
          expect(next.asOf).to.be.at.least(current.asOf);
          current = next;
        }
      }),
      { numRuns: 10_000 },
    );
  });

  it('waits after a stall of over 10 s until clients have had their turn to speak', () => {
    const back = EPOCH + 20_000;
    const held = advance(moving, [worker(back)], back);
    expect(held).to.deep.equal({ asOf: EPOCH, movedAt: back, heldSince: back });
    const early = back + POLICY.hold - 1;
    const nearly = heldUntil(held, early);
    expect(nearly).to.deep.equal({ ...held, movedAt: early });
    const due = back + POLICY.hold;
    expect(advance(nearly, [worker(due)], due).asOf).to.equal(due);
  });

  it('waits anew where nobody was there for over 10 s of that turn', () => {
    const back = EPOCH + 20_000;
    const held = advance(moving, [worker(back)], back);
    const late = back + POLICY.hold;
    const again = advance(held, [worker(late)], late);
    expect(again).to.deep.equal({ asOf: EPOCH, movedAt: late, heldSince: late });
    for (const nobody of [[], [worker(EPOCH)]]) {
      const soon = back + 10_000;
      const absent = advance(held, nobody, soon - 1);
      expect(advance(absent, [worker(soon)], soon).heldSince).to.equal(back);
      const later = advance(absent, [worker(soon + 1)], soon + 1);
      expect(later.heldSince).to.equal(soon + 1);
    }
  });

  it('does not wait after a shorter one', () => {
    const back = EPOCH + 10_000;
    expect(advance(moving, [worker(back)], back).asOf).to.equal(back);
  });

  it('does not take the time before its very first move for a stall', () => {
    const fresh: AsOf = { asOf: EPOCH, movedAt: null, heldSince: null };
    const late = EPOCH + 600_000;
    expect(advance(fresh, [worker(late)], late).asOf).to.equal(late);
  });

  it('begins to wait only once a backlog is worked off, and anew when it stalls again', () => {
    const back = EPOCH + 600_000;
    const draining = advance(moving, [worker(EPOCH + 60_000)], back);
    expect(draining).to.deep.equal(moving);
    const held = advance(draining, [worker(back)], back);
    const late = back + POLICY.hold;
    const again = advance(heldUntil(held, late - 1), [worker(back)], late);
    expect(again).to.include({ asOf: held.asOf, heldSince: null });
    const whole = advance(again, [worker(late + 1)], late + 1);
    expect(whole).to.include({ asOf: held.asOf, heldSince: late + 1 });
  });

  it('waits for longer after somebody was given up for a gap, in whatever intervals clients speak', () => {
    for (const interval of [1_000, 30_000, 120_000]) {
      const policy = asOfPolicy(interval, 15_000);
      const found = EPOCH + 31_000;
      const lost = { ...worker(EPOCH), gapSince: EPOCH };
      const loss = { live: [app(found)], gone: [lost], silent: [] };
      let current = advanceAsOf(moving, loss, found, policy);
      const due = found + Math.max(interval + 5_000, 47_000);
      for (let now = found + 1_000; now < due; now += 1_000) {
        const seen = { live: [worker(now)], gone: [], silent: [] };
        current = advanceAsOf(current, seen, now, policy);
        expect(current.asOf, `${interval}: ${now - found}`).to.equal(EPOCH);
      }
      const seen = { live: [worker(due)], gone: [], silent: [] };
      expect(advanceAsOf(current, seen, due, policy).asOf).to.equal(due);
    }
  });

  it('does not forget that where nobody begins anew for over 10 s', () => {
    const found = EPOCH + 31_000;
    const lost = { ...worker(EPOCH), gapSince: EPOCH };
    const first = advanceAsOf(moving, { live: [], gone: [lost], silent: [] }, found, POLICY);
    const late = found + 11_000;
    const again = advance(first, [worker(late)], late);
    expect(again).to.deep.equal({ asOf: EPOCH, movedAt: late, heldSince: found + 12_000 });
  });

  it('waits no longer for those who were given up for their silence', () => {
    const found = EPOCH + 70_000;
    const silent = [app(EPOCH)];
    const next = advanceAsOf(
      moving,
      { live: [worker(found)], gone: silent, silent },
      found,
      POLICY,
    );
    expect(next).to.deep.equal({ asOf: EPOCH, movedAt: found, heldSince: found });
  });

  /** Looked at each second, all being well. */
  function heldUntil(held: AsOf, until: number): AsOf {
    let current = held;
    for (let now = held.heldSince! + 1_000; now < until; now += 1_000) {
      current = advance(current, [worker(now)], now);
    }
    return advance(current, [worker(until)], until);
  }
});

describe('A publisher', () => {
  const now = EPOCH + 600_000;

  it('is given up 60 s after its last sign of life, as the queue has been worked off', () => {
    const workers = [worker(now)];
    const heard = app(EPOCH, now - POLICY.appLease);
    const lapsed = app(EPOCH, now - POLICY.appLease - 1);
    const { live, gone, silent } = livePublishers([...workers, heard, lapsed], now, POLICY);
    expect(live).to.deep.equal([...workers, heard]);
    expect([gone, silent]).to.deep.equal([[lapsed], [lapsed]]);
  });

  it('is not given up for a backlog that may hold its messages', () => {
    const behind = worker(EPOCH, now);
    const silent = app(EPOCH, EPOCH);
    expect(livePublishers([behind, silent], now, POLICY).gone).to.deep.equal([]);
    expect(livePublishers([silent], now, POLICY).gone).to.deep.equal([]);
  });

  it('that is a worker is given up by the clock of the database', () => {
    const dead = worker(now, now - POLICY.workerLease - 1);
    const alive = worker(EPOCH, now - POLICY.workerLease);
    expect(livePublishers([dead, alive], now, POLICY)).to.deep.equal({
      live: [alive],
      gone: [dead],
      silent: [dead],
    });
  });

  it('is given up for a gap once the queue has been worked off to well after that was seen', () => {
    const gap = { ...app(EPOCH, now), gapSince: now - POLICY.lostAfter - 1 };
    const worked = worker(now);
    const { gone, silent } = livePublishers([worked, gap], now, POLICY);
    expect([gone, silent]).to.deep.equal([[gap], []]);
    const fresh = { ...gap, gapSince: now - POLICY.lostAfter };
    expect(livePublishers([worked, fresh], now, POLICY).gone).to.deep.equal([]);
  });

  it('is not given up for a gap that a worker may still hold', () => {
    const gap = { ...app(EPOCH, now), gapSince: now - 300_000 };
    const holding = worker(now - 300_000, now);
    expect(livePublishers([holding, gap], now, POLICY).gone).to.deep.equal([]);
  });

  it('that is a worker is given up for a gap in its own ticks, which hold nothing', () => {
    const gap = { ...worker(EPOCH, now), gapSince: now - POLICY.lostAfter - 1 };
    expect(livePublishers([gap], now, POLICY)).to.deep.equal({ live: [], gone: [gap], silent: [] });
  });
});
