import { expect } from 'chai';
import { Histogram, Registry } from 'prom-client';
import { RequestMetrics } from '../dist/request-metrics.js';

/** What the standalone adds up: without exemplars, of which there are none. */
async function asJson(registry: Registry): Promise<unknown> {
  return JSON.parse(JSON.stringify(await registry.getMetricsAsJSON(), withoutExemplar));
}

function withoutExemplar(key: string, value: unknown): unknown {
  return key === 'exemplar' ? undefined : value;
}

describe('Request metrics', () => {
  it('say what a histogram of prom-client says', async () => {
    const [registry, theirs] = [new Registry(), new Registry()];
    const metrics = new RequestMetrics(registry);
    const histogram = new Histogram({
      name: 'presence_http_request_duration_seconds',
      help: 'How long requests took until their answer was made.',
      labelNames: ['method', 'route', 'status'],
      buckets: [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5],
      registers: [theirs],
    });
    const routes = ['/health/live', '/api/users/heartbeat/', '/of "quotes" and \\/'];
    for (const [at, seconds] of [0, 0.001, 0.0010001, 0.3, 5, 5.1, 60, 0.003].entries()) {
      const [route = '', status] = [routes[at % 3], 200 + (at % 2)];
      metrics.observe('GET', route, status, seconds);
      histogram.observe({ method: 'GET', route, status: `${status}` }, seconds);
    }
    expect(await registry.metrics()).to.equal(await theirs.metrics());
    expect(await asJson(registry)).to.deep.equal(await asJson(theirs));
  });
});
