import { setTimeout as delay } from 'node:timers/promises';
import { expect } from 'chai';
import { onSilence } from '../dist/rabbitmq/silence.js';

describe('Silence on a connection', () => {
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
});
