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

describe('As-of', () => {
  it('goes as far as the slowest publisher', () => {
    const next = advanceAsOf(moving, [app(EPOCH + 500), worker(EPOCH + 300)], EPOCH + 600, POLICY);
    expect(next).to.deep.equal({ asOf: EPOCH + 300, movedAt: EPOCH + 600, heldSince: null });
  });

  it('stands while nobody is live, and while anybody stands', () => {
    expect(advanceAsOf(moving, [], EPOCH + 600, POLICY)).to.equal(moving);
    const publishers = [app(EPOCH - 5), worker(EPOCH + 300)];
    expect(advanceAsOf(moving, publishers, EPOCH + 600, POLICY)).to.equal(moving);
  });

  it('never moves back', () => {
    const times = fc.integer({ min: EPOCH - 100_000, max: EPOCH + 100_000 });
    const steps = fc.array(fc.tuple(fc.array(times, { maxLength: 3 }), times));
    fc.assert(
      fc.property(steps, (runs) => {
        let current = moving;
        for (const [throughs, now] of runs) {
          const next = advanceAsOf(
            current,
            throughs.map((time) => app(time)),
            now,
            POLICY,
          );
          expect(next.asOf).to.be.at.least(current.asOf);
          current = next;
        }
      }),
      { numRuns: 10_000 },
    );
  });

  it('waits after a stall of over 10 s until clients have had their turn to speak', () => {
    const back = EPOCH + 20_000;
    const held = advanceAsOf(moving, [worker(back)], back, POLICY);
    expect(held).to.deep.equal({ asOf: EPOCH, movedAt: EPOCH, heldSince: back });
    const early = back + POLICY.hold - 1;
    expect(advanceAsOf(held, [worker(early)], early, POLICY)).to.deep.equal(held);
    const due = back + POLICY.hold;
    expect(advanceAsOf(held, [worker(due)], due, POLICY).asOf).to.equal(due);
  });

  it('does not wait after a shorter one', () => {
    const back = EPOCH + 10_000;
    expect(advanceAsOf(moving, [worker(back)], back, POLICY).asOf).to.equal(back);
  });

  it('does not take the time before its very first move for a stall', () => {
    const fresh: AsOf = { asOf: EPOCH, movedAt: null, heldSince: null };
    const late = EPOCH + 600_000;
    expect(advanceAsOf(fresh, [worker(late)], late, POLICY).asOf).to.equal(late);
  });

  it('begins to wait only once a backlog is worked off, and anew when it stalls again', () => {
    const back = EPOCH + 600_000;
    const draining = advanceAsOf(moving, [worker(EPOCH + 60_000)], back, POLICY);
    expect(draining).to.deep.equal(moving);
    const held = advanceAsOf(draining, [worker(back)], back, POLICY);
    const again = advanceAsOf(held, [worker(back)], back + POLICY.hold, POLICY);
    expect(again).to.deep.equal({ ...held, heldSince: null });
  });
});

describe('A publisher', () => {
  const now = EPOCH + 600_000;

  it('is given up 60 s after its last sign of life, as the queue has been worked off', () => {
    const workers = [worker(now)];
    const heard = app(EPOCH, now - POLICY.appLease);
    const lapsed = app(EPOCH, now - POLICY.appLease - 1);
    const { live, gone } = livePublishers([...workers, heard, lapsed], now, POLICY);
    expect(live).to.deep.equal([...workers, heard]);
    expect(gone).to.deep.equal([lapsed]);
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
    });
  });

  it('is given up for a gap once the queue has been worked off to well after that was seen', () => {
    const gap = { ...app(EPOCH, now), gapSince: now - POLICY.lostAfter - 1 };
    const worked = worker(now);
    expect(livePublishers([worked, gap], now, POLICY).gone).to.deep.equal([gap]);
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
    expect(livePublishers([gap], now, POLICY)).to.deep.equal({ live: [], gone: [gap] });
  });
});
