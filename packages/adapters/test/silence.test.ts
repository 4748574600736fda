import { mock } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';
import { expect } from 'chai';
import { onSilence } from '../dist/rabbitmq/silence.js';

describe('Silence on a connection', () => {
  afterEach(() => mock.timers.reset());

  it('is told once, within two heartbeats of the last byte', async () => {
    const socket = { bytesRead: 8 };
    let told = 0;
    const end = onSilence(socket, 200, () => told++);
    await delay(150);
    socket.bytesRead++;
    expect(told).to.equal(0);
    await delay(600);
    end();
    expect(told).to.equal(1);
  });

  it('is not what a process hears that stood still itself', async () => {
    const socket = { bytesRead: 8 };
    let told = 0;
    const end = onSilence(socket, 40, () => told++);
    await delay(25);
    const until = performance.now() + 200;
    while (performance.now() < until);
    await new Promise((resolve) => setImmediate(resolve));
    end();
    expect(told).to.equal(0);
  });

  it('is looked for as a second begins, where that is every second', () => {
    mock.timers.enable({ apis: ['setTimeout', 'Date'], now: 1_700_000_000_321 });
    const looks = new Set<number>();
    const socket = {
      get bytesRead() {
        looks.add(Date.now() - 1_700_000_000_000);
        return 8;
      },
    };
    const end = onSilence(socket, 5_000, () => {});
    for (let passed = 0; passed < 3_500; passed++) mock.timers.tick(1);
    end();
    expect([...looks]).to.deep.equal([1_000, 2_000, 3_000]);
  });
});
