import { expect } from 'chai';
import { chart } from '../dist/src/chart.js';
import type { Figure } from '../dist/src/figure.js';
import { verdictOf } from '../dist/src/figure.js';
import { reached, reportText } from '../dist/src/report.js';

const MACHINE = {
  processor: 'Abacus',
  cores: 2,
  gigabytes: 24,
  kernel: '6',
  node: '20.19.0',
  postgres: '15.1',
  rabbitmq: '3.10.8',
  load: 'wrk 4',
  loadBefore: 0.1,
  randomRead: 90,
  unsteadiness: { share: 0.031, longest: 47.4 },
};
const RATIO: Figure = { what: '÷ Koa', value: 0.8, unit: 'ratio', floor: 0.7, goal: 0.9 };
const TIME: Figure = { what: 'status: p99', value: 6, unit: 'ms', floor: 5, goal: 2 };
const AWAY: Figure = { what: '÷ Django', value: null, unit: 'ratio', floor: 40, note: 'no Django' };

function resultOf(...figures: Figure[]) {
  return { measurement: { name: 'one', about: '' }, figures, failure: null, took: 1 };
}

describe('The report of a benchmark', () => {
  it('wants ratios to be great, and all else small', () => {
    expect(verdictOf(RATIO)).to.equal('floor');
    expect(verdictOf({ ...RATIO, value: 0.9 })).to.equal('goal');
    expect(verdictOf({ ...RATIO, value: 0.69 })).to.equal('missed');
    expect(verdictOf(TIME)).to.equal('missed');
    expect(verdictOf({ ...TIME, value: 2 })).to.equal('goal');
    expect(verdictOf({ what: 'WAL', value: 1, unit: 'bytes' })).to.equal('told');
  });

  it('names what cannot be measured here, and does not count it as missed', () => {
    expect(verdictOf(AWAY)).to.equal('not measured');
    expect(reached([resultOf(RATIO, AWAY)])).to.equal(true);
    expect(reportText([resultOf(AWAY)], MACHINE, false)).to.match(
      /÷ Django .*not measured +no Django/,
    );
  });

  it('fails with a missed floor, and with a measurement that broke', () => {
    expect(reached([resultOf(RATIO, TIME)])).to.equal(false);
    const broken = { ...resultOf(), failure: 'no broker' };
    expect(reached([broken])).to.equal(false);
    expect(reportText([broken], MACHINE, false)).to.include('one FAILED: no broker');
  });

  it('puts ratios first, and says whether it was but a look', () => {
    const text = reportText([resultOf(TIME, RATIO)], MACHINE, true);
    expect(text.indexOf('÷ Koa')).to.be.below(text.indexOf('status: p99'));
    expect(text).to.include('Not to be quoted');
    expect(text).to.include('2 × Abacus, 24 GB');
  });

  it('draws a curve within its frame', () => {
    const points = [
      [10_000, 50_000],
      [1_000_000, 40_000],
    ] as const;
    const svg = chart({ name: 'worker', x: 'users', y: 'events/s', points });
    const places = [...svg.matchAll(/cx="(\d+)" cy="(\d+)"/g)].map(([, x, y]) => [
      Number(x),
      Number(y),
    ]);
    expect(places).to.have.length(2);
    for (const [x, y] of places) {
      expect(x).to.be.within(0, 720);
      expect(y).to.be.within(0, 400);
    }
    expect(places[0]![1]).to.be.below(places[1]![1]!);
  });
});
