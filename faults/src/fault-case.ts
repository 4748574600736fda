import type { Shape } from './system.js';
import type { Trial } from './trial.js';

/** The lane that runs beside all others: for what takes long, and little of the machine. */
export const BESIDE = 'beside';

/**
 * One fault to survive. `run` brings it about, under load, and requires what is special to it.
 * What holds for all of them is reckoned afterwards by whoever runs it (lane.ts): the load is
 * stopped, the system gets whole and idle, and every row, change and dead letter is held against
 * what clients were told.
 *
 * A case leaves its servers running and unlocked, its ways mended, and tells `trial.mended()` when
 * the fault is over. Processes that it has ended need not be replaced: the next case arranges what
 * it needs. Broker and Postgres must be ended by `trial.system` alone, and stay on their data.
 */
export interface FaultCase {
  /** By which `npm run faults -- --only` names it. */
  readonly number: number;
  readonly fault: string;
  /** What is done, in a few words. */
  readonly did: string;
  /** Cases of one lane share a system. Lanes run in turn, save {@link BESIDE}. Default: `main`. */
  readonly lane?: string;
  /** It takes less than about eight seconds on a busy machine, and is run by `npm test`, too. */
  readonly short?: boolean;
  /**
   * What runs when it begins, where long outages are shortened `hasten` times. Default: two APIs
   * and two workers.
   */
  readonly shape?: Shape | ((hasten: number) => Shape);
  /** Of how many the broker is a cluster; such a case has a lane of its own. Default 1. */
  readonly brokers?: number;
  /** The most that it may take from the end of the fault until all is well, in milliseconds. */
  readonly healthyWithin?: number;
  /** Errors that it throws are misses. */
  run(trial: Trial): Promise<void>;
}
