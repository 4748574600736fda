import type { Spread } from './statistics.js';

/** One line of the table. */
export interface Figure {
  readonly what: string;
  /** `null`: it could not be measured; `note` says why. */
  readonly value: number | null;
  readonly unit: Unit;
  /** What must be reached, and what is tried for; without them it is only told. */
  readonly floor?: number;
  readonly goal?: number;
  /** Where rounds were paired. */
  readonly spread?: Spread;
  readonly note?: string;
  /** How it came about, to be drawn. */
  readonly curve?: Curve;
}

export interface Curve {
  readonly name: string;
  /** What stands on either axis. */
  readonly x: string;
  readonly y: string;
  readonly points: readonly (readonly [x: number, y: number])[];
}

/** A ratio is the better the greater it is; all else is the better the less. */
export type Unit = 'ratio' | 'ms' | 'µs' | '%' | 'MB' | '/s' | 'bytes';

export type Verdict = 'goal' | 'floor' | 'missed' | 'told' | 'not measured';

export function verdictOf({ value, unit, floor, goal }: Figure): Verdict {
  if (value === null) return 'not measured';
  if (floor === undefined) return 'told';
  const reaches = (mark: number) => (unit === 'ratio' ? value >= mark : value <= mark);
  if (goal !== undefined && reaches(goal)) return 'goal';
  return reaches(floor) ? 'floor' : 'missed';
}
