import { performance } from 'node:perf_hooks';
import { collectDefaultMetrics, Gauge, Registry } from 'prom-client';

/**
 * Milliseconds between two looks of the library at how late the event loop is; 24 days, the longest a
 * timer takes. Ten looks a second were a seventh of all that woke an idle worker, half of what woke an
 * idle API; how busy the loop is, Node counts all the time.
 */
const LOOK_EVERY = 2 ** 31 - 1;
const OF_LOOKS = ['min', 'max', 'mean', 'stddev', 'p50', 'p90', 'p99'];

/** A registry that tells what Node and the operating system say of this process. */
export function processRegistry(): Registry {
  const register = new Registry();
  const prefix = 'presence_';
  collectDefaultMetrics({ register, prefix, eventLoopMonitoringPrecision: LOOK_EVERY });
  for (const name of OF_LOOKS) {
    register.removeSingleMetric(`${prefix}nodejs_eventloop_lag_${name}_seconds`);
  }
  addUtilization(register, `${prefix}nodejs_eventloop_utilization_ratio`);
  return register;
}

function addUtilization(register: Registry, name: string): void {
  let before = performance.eventLoopUtilization();
  new Gauge({
    name,
    help: 'How much of the time since it was last asked the event loop was busy, from 0 to 1.',
    registers: [register],
    collect() {
      const now = performance.eventLoopUtilization();
      this.set(performance.eventLoopUtilization(now, before).utilization);
      before = now;
    },
  });
}
