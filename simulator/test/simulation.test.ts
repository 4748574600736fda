import type { Millis, PresenceEvent } from '@presence/domain';
import { expect } from 'chai';
import type { Wrong } from '../dist/ledger.js';
import { avoidableSeconds } from '../dist/report.js';
import { PresenceRows } from '../dist/rows.js';
import { day, SCENARIOS, type Scenario } from '../dist/scenario.js';
import { type Result, simulate } from '../dist/simulation.js';

const SMALL = { users: 120 };
const OUTAGES = ['broker', 'workers', 'database', 'api-cut', 'two-outages', 'worker-stuck'];

/** As the scenarios are, with few users. */
function scenario(name: string): Scenario {
  const found = name === 'day' ? day(3) : SCENARIOS.find((one) => one.name === name);
  return { ...found!, ...SMALL };
}

function total(parts: Wrong['ghosts'] | Wrong['absences']): number {
  return Object.values(parts).reduce((sum: number, part: number) => sum + part, 0);
}

describe('The simulator', () => {
  const results = new Map<string, Result>();
  before(function () {
    this.timeout(180_000);
    for (const { name } of SCENARIOS) results.set(name, simulate(scenario(name), 7));
  });

  for (const { name, about } of SCENARIOS) {
    it(`finds nobody shown wrongly without need: ${name}, ${about}`, () => {
      const { real, presence } = results.get(name)!;
      expect(avoidableSeconds(real), JSON.stringify(real)).to.equal(0);
      expect(presence).to.be.greaterThan(60 * 60 * 1_000);
    });
  }

  for (const name of OUTAGES) {
    it(`finds false absences under the naive rule: ${name}`, () => {
      expect(results.get(name)!.naive.absences.avoidable).to.be.greaterThan(0);
    });
  }

  it('finds ghosts under the naive rule where requests are under way during a logout', () => {
    expect(results.get('logouts')!.naive.ghosts.avoidable).to.be.greaterThan(0);
  });

  it('accounts for ghosts of those who went without a word', () => {
    const { ghosts } = results.get('quiet')!.real;
    expect(ghosts.silence).to.be.greaterThan(0);
    expect(ghosts.outage).to.equal(0);
  });

  it('counts absences after lost heartbeats only where they are lost', () => {
    expect(results.get('loss')!.real.absences.lost).to.be.greaterThan(0);
    expect(results.get('worker-crashes')!.real.absences.lost).to.equal(0);
  });

  it('ends the same with the same seed, and otherwise with another', () => {
    const once = simulate(scenario('late'), 7);
    expect(once).to.deep.equal(results.get('late'));
    expect(simulate(scenario('late'), 8).counts).not.to.deep.equal(once.counts);
  });

  it('takes samples that agree with the accounts', () => {
    const {
      samples,
      real,
      scenario: { hours },
    } = results.get('broker')!;
    const every = (hours * 3_600_000) / (samples.length - 1);
    const sampled = samples.reduce((sum, { real }) => sum + real.ghosts + real.absences, 0) * every;
    const kept = total(real.ghosts) + total(real.absences);
    expect(sampled).to.be.within(kept * 0.9, kept * 1.1);
  });
});

describe('The simulator sees that somebody lies', () => {
  it('when silence is measured against the clock instead of as-of', () => {
    class ClockRows extends PresenceRows {
      override sweep(now: Millis): void {
        super.sweep(now, now);
      }
    }
    for (const name of ['broker', 'workers', 'api-cut', 'apis', 'row-locked']) {
      const { real } = simulate(scenario(name), 7, { Rows: ClockRows });
      expect(real.absences.avoidable, name).to.be.greaterThan(0);
    }
  });

  it('when it is forgotten which session has ended', () => {
    class ForgetfulRows extends PresenceRows {
      override apply(event: PresenceEvent, now: Millis): void {
        super.apply({ ...event, sessionId: '' }, now);
      }
    }
    const { real } = simulate(scenario('logouts'), 7, { Rows: ForgetfulRows });
    expect(real.ghosts.avoidable).to.be.greaterThan(0);
  });

  it('when nobody ever expires', () => {
    class PatientRows extends PresenceRows {
      override sweep(): void {}
    }
    const { real } = simulate(scenario('quiet'), 7, { Rows: PatientRows });
    expect(real.ghosts.avoidable).to.be.greaterThan(0);
  });
});
