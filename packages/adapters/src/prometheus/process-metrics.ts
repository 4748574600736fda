import { performance } from 'node:perf_hooks';
import { Counter, collectDefaultMetrics, Registry } from 'prom-client';

const PREFIX = 'presence_';
/**
 * Milliseconds between two looks of the library at how late the event loop is: 24 days. Ten looks a
 * second were half of what woke an idle API; how busy the loop is, Node counts all the time.
 */
const LOOK_EVERY = 2 ** 31 - 1;
const OF_LOOKS = ['min', 'max', 'mean', 'stddev', 'p50', 'p90', 'p99'];

/** A registry that tells what Node and the operating system say of this process. */
export function processRegistry(): Registry {
  const register = new Registry();
  collectDefaultMetrics({ register, prefix: PREFIX, eventLoopMonitoringPrecision: LOOK_EVERY });
  for (const name of OF_LOOKS) {
    register.removeSingleMetric(`${PREFIX}nodejs_eventloop_lag_${name}_seconds`);
  }
  for (const state of ['active', 'idle'] as const) {
    new Counter({
      name: `${PREFIX}nodejs_eventloop_${state}_seconds_total`,
      help: `How long the event loop has been ${state}.`,
      registers: [register],
      collect() {
        this.reset();
        this.inc(performance.eventLoopUtilization()[state] / 1_000);
      },
    });
  }
  return register;
}
