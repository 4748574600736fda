import type { Duration } from '@presence/domain';

const LEAST: Duration = 100;
/** Low, so that a broker that comes back is in use again within seconds. */
const MOST: Duration = 2_000;

/** Doubling, with full jitter over its upper half: many processes lose one broker at once. */
export function backoff(attempt: number, random: () => number = Math.random): Duration {
  const ceiling = Math.min(MOST, LEAST * 2 ** Math.min(attempt, 10));
  return Math.round(ceiling * (0.5 + random() / 2));
}
