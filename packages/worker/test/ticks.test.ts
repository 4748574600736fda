import type { LeaseStore, Progress } from '@presence/domain';
import { expect } from 'chai';
import { Ticks } from '../dist/ticks.js';

describe('The ticks of a worker', () => {
  let now = 1_000;
  let oldestHeld: number | null = null;
  let sent: Progress[];
  let known = true;
  let failing = false;
  let registered = 0;

  const leases: LeaseStore = {
    register: async () => {
      registered++;
      return 900_000;
    },
    renew: async () => known,
    release: async () => {},
  };
  const ticker = {
    tick: async (progress: Progress) => {
      if (failing) throw new Error('The broker is away.');
      if (progress.from < progress.through) sent.push(progress);
    },
  };
  const begin = () => new Ticks({ ticker, leases, oldestHeld: () => oldestHeld, now: () => now });

  beforeEach(() => {
    [now, oldestHeld, sent, known, failing] = [1_000, null, [], true, false];
    registered = 0;
  });

  it('follow each other without a gap, from where the lease begins', async () => {
    const ticks = begin();
    await ticks.tick();
    now = 1_500;
    await ticks.tick();
    expect(sent.map(({ from, through }) => [from, through])).to.deep.equal([
      [900_000, 1_000_000],
      [1_000_000, 1_500_000],
    ]);
  });

  it('speak of no time after the oldest delivery that is held', async () => {
    const ticks = begin();
    oldestHeld = 950;
    await ticks.tick();
    now = 2_000;
    await ticks.tick();
    expect(sent.map(({ through }) => through)).to.deep.equal([950_000]);
  });

  it('register nobody who cannot tell', async () => {
    const ticks = begin();
    failing = true;
    await ticks.tick().catch(() => {});
    expect(registered).to.equal(0);
    failing = false;
    await ticks.tick();
    await ticks.tick();
    expect(registered).to.equal(1);
  });

  it('register under an alarm, which keeps nobody from working the queue off', async () => {
    const ticks = begin();
    failing = true;
    await ticks.tick({ blocked: true }).catch(() => {});
    expect(registered).to.equal(1);
    expect(await ticks.renew()).to.equal(true);
  });

  it('say when they were last told', async () => {
    const ticks = begin();
    expect(ticks.toldAt).to.equal(undefined);
    await ticks.tick();
    const first = ticks.toldAt!;
    failing = true;
    now = 1_500;
    await ticks.tick().catch(() => {});
    expect(ticks.toldAt).to.equal(first);
    failing = false;
    await ticks.tick();
    expect(ticks.toldAt).to.be.above(first);
  });

  it('tell an interval again that was not confirmed', async () => {
    const ticks = begin();
    await ticks.tick();
    sent = [];
    now = 1_200;
    failing = true;
    await ticks.tick().catch(() => {});
    failing = false;
    now = 1_500;
    await ticks.tick();
    expect(sent.map(({ from, through }) => [from, through])).to.deep.equal([
      [1_000_000, 1_500_000],
    ]);
  });

  it('begin a new life once the lease has lapsed', async () => {
    const ticks = begin();
    await ticks.tick();
    known = false;
    await ticks.renew();
    now = 1_500;
    await ticks.tick();
    expect(sent[1]?.publisher).to.not.equal(sent[0]?.publisher);
    expect(sent[1]?.from).to.equal(900_000);
  });
});
