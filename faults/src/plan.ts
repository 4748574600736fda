import { sequence } from '@presence/test-services/system';

export const FAULT_KINDS = [
  'kill a worker',
  'kill an API',
  'stop a worker',
  'stop an API',
  'freeze a worker',
  'kill the broker',
  'restart the broker',
  'kill Postgres',
  'restart Postgres',
  'cut an API from the broker',
  'cut an API from Postgres',
  'cut a worker from the broker',
  'cut a worker from Postgres',
  'hold an API from the broker',
  'hold a worker from the broker',
  'hold a worker from Postgres',
  'close all connections to the broker',
  'lock rows',
] as const;

export type FaultKind = (typeof FAULT_KINDS)[number];

/** One fault of a plan; times in milliseconds from its beginning. */
export interface PlannedFault {
  readonly at: number;
  readonly kind: FaultKind;
  /** Which of several: 0 or 1. */
  readonly which: number;
  /** How long what it takes away stays away. */
  readonly lasts: number;
}

const LEAST_PAUSE = 4_000;
const PAUSE = 10_000;
const LEAST = 500;
const MOST = 15_000;

/** Faults one after the other for so long, with time between them to get whole; the same for the same seed. */
export function planOf(length: number, seed: number): PlannedFault[] {
  const random = sequence(seed);
  const plan: PlannedFault[] = [];
  let at = LEAST_PAUSE;
  for (;;) {
    const kind = FAULT_KINDS[Math.floor(random() * FAULT_KINDS.length)]!;
    const which = random() < 0.5 ? 0 : 1;
    // Short ones are the more frequent: they meet the system in the middle of getting whole.
    const lasts = Math.round(LEAST + random() ** 2 * (MOST - LEAST));
    if (at + lasts > length) return plan;
    plan.push({ at, kind, which, lasts });
    at += lasts + Math.round(LEAST_PAUSE + random() * PAUSE);
  }
}
