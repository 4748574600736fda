import { collectDefaultMetrics, Registry } from 'prom-client';

/**
 * Milliseconds between two looks at how late the event loop is, which the lag it tells includes. The
 * library's 10 were a third of what an idle API uses.
 */
const LOOK_EVERY = 100;

/** A registry that tells what Node and the operating system say of this process. */
export function processRegistry(): Registry {
  const register = new Registry();
  const prefix = 'presence_';
  collectDefaultMetrics({ register, prefix, eventLoopMonitoringPrecision: LOOK_EVERY });
  return register;
}
