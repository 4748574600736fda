import type { Millis } from '@presence/domain';
import type { Ledger } from './ledger.js';
import type { Truth } from './truth.js';

/** How many users one rule shows, and how many of them wrongly. */
export interface ShownCounts {
  readonly shown: number;
  readonly ghosts: number;
  readonly absences: number;
}

export interface Sample {
  readonly at: Millis;
  /** How many are there. */
  readonly there: number;
  readonly real: ShownCounts;
  readonly naive: ShownCounts;
}

export function sample(at: Millis, truth: Truth, real: Ledger, naive: Ledger): Sample {
  return {
    at,
    there: truth.there,
    real: shownCounts(truth, real),
    naive: shownCounts(truth, naive),
  };
}

function shownCounts(truth: Truth, { shown, count }: Ledger): ShownCounts {
  let absences = 0;
  for (let user = 1; user < truth.users; user++) {
    if (truth.open[user]! > 0 && shown[user] === 0) absences++;
  }
  return { shown: count, ghosts: count - (truth.there - absences), absences };
}
