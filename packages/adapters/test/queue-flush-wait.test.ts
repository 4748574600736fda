import { expect } from 'chai';
import fc from 'fast-check';
import { FlushWait } from '../dist/publishing/flush-wait.js';

describe('How long events wait for company', () => {
  it('is as long as a broker leaves that confirms at once', () => {
    expect(new FlushWait().duration).to.equal(65);
  });

  it('and what the slowest confirmation of late took are within what is promised, with something to spare', () => {
    fc.assert(
      fc.property(fc.array(fc.nat({ max: 40 }), { minLength: 1 }), (took) => {
        const wait = new FlushWait();
        for (const after of took) wait.confirmed(after);
        expect(wait.duration + Math.max(...took)).to.be.at.most(80);
      }),
    );
  });

  it('is no shorter where the broker is slow: more messages would not make it faster', () => {
    const wait = new FlushWait();
    wait.confirmed(5_000);
    expect(wait.duration).to.equal(40);
  });

  it('forgets the slowest after a second that had none', () => {
    const wait = new FlushWait();
    wait.confirmed(30);
    wait.nextSecond();
    wait.confirmed(2);
    expect(wait.duration).to.equal(50);
    wait.nextSecond();
    expect(wait.duration).to.equal(65);
  });
});
