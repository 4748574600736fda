/** The middle of numbers, and between which two the inner half of them lies. */
export interface Spread {
  readonly median: number;
  readonly lower: number;
  readonly upper: number;
}

/** How far the quartiles of rounds may lie from their median before rates are not to be trusted. */
const TRUSTED = 0.1;

export function spreadOf(values: readonly number[]): Spread {
  const sorted = values.toSorted((a, b) => a - b);
  const at = (part: number) => quantile(sorted, part);
  return { median: at(0.5), lower: at(0.25), upper: at(0.75) };
}

export function median(values: readonly number[]): number {
  return spreadOf(values).median;
}

/** Whether the machine was quiet enough: quartiles within 10 % of the median. */
export function isSteady({ median, lower, upper }: Spread): boolean {
  return upper <= median * (1 + TRUSTED) && lower >= median * (1 - TRUSTED);
}

/** Of sorted numbers, between neighbours in proportion. `NaN` where there are none. */
export function quantile(sorted: ArrayLike<number>, part: number): number {
  const place = (sorted.length - 1) * part;
  const [below, above] = [sorted[Math.floor(place)], sorted[Math.ceil(place)]];
  if (below === undefined || above === undefined) return Number.NaN;
  if (below === above) return below; // Both may be infinite.
  return below + (above - below) * (place - Math.floor(place));
}
