import { eventually } from '@presence/test-services';
import { expect } from 'chai';
import { Loop } from '../dist/loop.js';

describe('A loop', () => {
  it('does its job again at once when it is woken', async () => {
    let runs = 0;
    const loop = new Loop(
      { name: 'job', interval: 60_000 },
      async () => void runs++,
      () => {},
    );
    loop.start();
    await eventually(() => runs === 1);
    await eventually(() => {
      loop.wake();
      return runs >= 3;
    });
    await loop.stop();
  });

  it('without an interval, does its job once, and again when it is woken, be it in the middle', async () => {
    let runs = 0;
    let finish = () => {};
    const job = () => {
      runs++;
      return new Promise<void>((resolve) => {
        finish = resolve;
      });
    };
    const loop = new Loop({ name: 'job' }, job, () => {});
    loop.start();
    loop.wake();
    finish();
    await eventually(() => runs === 2);
    finish();
    await new Promise(setImmediate);
    expect(runs).to.equal(2);
    loop.wake();
    await eventually(() => runs === 3);
    finish();
    await loop.stop();
  });

  it('without an interval, tries again a second after a failure', async () => {
    const began: number[] = [];
    const failing = async () => {
      began.push(performance.now());
      throw new Error('It always fails.');
    };
    const loop = new Loop({ name: 'job' }, failing, () => {});
    loop.start();
    await eventually(() => began.length === 2);
    await loop.stop();
    expect(began[1]! - began[0]!).to.be.at.least(990);
  });

  it('rests after a job that has failed, however often it is woken', async () => {
    const began: number[] = [];
    const failing = async () => {
      began.push(performance.now());
      throw new Error('It always fails.');
    };
    const loop = new Loop({ name: 'job', interval: 50 }, failing, () => {});
    loop.start();
    await eventually(
      () => {
        loop.wake();
        return began.length >= 4;
      },
      { every: 1 },
    );
    await loop.stop();
    const pauses = began.slice(1).map((at, run) => at - began[run]!);
    expect(Math.min(...pauses)).to.be.at.least(45);
  });

  it('ends at once, in a pause after a failure, too', async () => {
    let runs = 0;
    const failing = async () => {
      runs++;
      throw new Error('It always fails.');
    };
    const loop = new Loop({ name: 'job', interval: 600_000 }, failing, () => {});
    loop.start();
    await eventually(() => runs === 1);
    await loop.stop();
    expect(runs).to.equal(1);
  });
});
