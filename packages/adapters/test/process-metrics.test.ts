import { processRegistry } from '@presence/adapters/prometheus';
import { expect } from 'chai';

describe('What is told of a process', () => {
  it('says how long its event loop was busy, without ever waking it to look', async () => {
    const registry = processRegistry();
    const active = async () =>
      Number(/_active_seconds_total ([\d.e-]+)/.exec(await registry.metrics())?.[1]);
    const before = await active();
    const until = performance.now() + 100;
    while (performance.now() < until);
    await new Promise(setImmediate); // Node counts whole turns.
    const busy = (await active()) - before;
    expect(busy).to.be.within(0.05, 10);
    const text = await registry.metrics();
    expect(text).to.match(/^presence_nodejs_eventloop_idle_seconds_total \d/m);
    expect(text).to.match(/^presence_nodejs_eventloop_lag_seconds \d/m);
    expect(text).not.to.include('lag_p99');
  });
});
