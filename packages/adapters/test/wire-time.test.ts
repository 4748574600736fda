import { formatTime, parseTime } from '@presence/adapters/wire';
import { expect } from 'chai';
import fc from 'fast-check';

/** Moments of a few seconds, as those of a batch are, and any others in between. */
const moments = fc.array(
  fc.oneof(
    fc.integer({ min: 1_705_314_600_000, max: 1_705_314_602_999 }),
    fc.integer({ min: Date.parse('1000-01-01T00:00:00Z'), max: 253_402_300_799_999 }),
  ),
  { minLength: 1, maxLength: 20 },
);

describe('Times on the wire', () => {
  it('are written as Date would, whichever was written before', () => {
    fc.assert(
      fc.property(moments, (times) => {
        const expected = times.map((time) => new Date(time).toISOString());
        expect(times.map(formatTime)).to.deep.equal(expected);
      }),
    );
  });

  it('are read as they were written, whichever was read before', () => {
    fc.assert(
      fc.property(moments, (times) => {
        expect(times.map((time) => parseTime(formatTime(time)))).to.deep.equal(times);
      }),
    );
  });

  it('are not taken for one of the second before them if they are none', () => {
    const good = '2024-01-15T10:30:00.123Z';
    for (const bad of ['.12aZ', '.1 3Z', '.-12Z', '.1_3Z', '.1²3Z', ':123Z', '.123z ', '.123+']) {
      parseTime(good);
      expect(parseTime(good.slice(0, 19) + bad), bad).to.equal(undefined);
    }
    parseTime('2024-02-30T10:30:00.123Z');
    expect(parseTime('2024-02-30T10:30:00.124Z')).to.equal(undefined);
    expect(parseTime(good)).to.equal(Date.parse(good));
  });

  it('are not written where there is none', () => {
    expect(() => formatTime(Number.NaN)).to.throw(RangeError);
    expect(formatTime(0)).to.equal('1970-01-01T00:00:00.000Z');
  });
});
