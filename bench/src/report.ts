import { type Figure, verdictOf } from './figure.js';
import { type Machine, machineText } from './machine.js';
import type { Measurement } from './measurement.js';

/** What one measurement came to. */
export interface Result {
  readonly measurement: Pick<Measurement, 'name' | 'about'>;
  readonly figures: readonly Figure[];
  /** Why it came to nothing. */
  readonly failure: string | null;
  /** Seconds. */
  readonly took: number;
}

const COLUMNS = ['figure', 'measured', 'floor', 'goal', 'verdict', ''] as const;
const NUMBERS: ReadonlySet<number> = new Set([1, 2, 3]);

/** The table: ratios first, then what has a floor of its own, then what is only told. */
export function reportText(results: readonly Result[], machine: Machine, quick: boolean): string {
  const figures = results.flatMap((result) => result.figures);
  const rows = [...figures].sort((a, b) => rank(a) - rank(b)).map(rowOf);
  const widthOf = (at: number) => Math.max(...[COLUMNS, ...rows].map((row) => row[at]!.length));
  const pad = (cell: string, at: number) =>
    NUMBERS.has(at) ? cell.padStart(widthOf(at)) : cell.padEnd(widthOf(at));
  const line = (cells: readonly string[]) => cells.map(pad).join('  ').trimEnd();
  const failures = results.flatMap(({ measurement, failure }) =>
    failure === null ? [] : [`${measurement.name} FAILED: ${failure}\n`],
  );
  return [
    machineText(machine),
    quick ? 'A quick look: shorter rounds, fewer people. Not to be quoted.\n' : '',
    '\n',
    ...[COLUMNS, ...rows].map((cells) => `${line(cells)}\n`),
    ...(failures.length > 0 ? ['\n', ...failures] : []),
  ].join('');
}

function rank(figure: Figure): number {
  if (figure.unit === 'ratio') return 0;
  return figure.floor === undefined ? 2 : 1;
}

function rowOf(figure: Figure): string[] {
  const { what, value, unit, floor, goal, spread, note = '' } = figure;
  const told = (number: number | undefined) => (number === undefined ? '' : text(number, unit));
  const between = spread && `${spread.lower.toFixed(2)} to ${spread.upper.toFixed(2)}`;
  const notes = [between, note].filter((part) => part !== undefined && part !== '').join('; ');
  return [what, told(value ?? undefined), told(floor), told(goal), verdictOf(figure), notes];
}

function text(value: number, unit: Figure['unit']): string {
  if (unit === 'ratio') return value >= 10 ? value.toFixed(1) : value.toFixed(2);
  const digits = value >= 100 ? 0 : value >= 10 ? 1 : 2;
  const number = value.toLocaleString('en', { maximumFractionDigits: digits });
  return unit === '/s' ? `${number}/s` : `${number} ${unit}`;
}

/** Whether every floor that could be measured was reached. */
export function reached(results: readonly Result[]): boolean {
  return results.every(
    ({ figures, failure }) =>
      failure === null && figures.every((figure) => verdictOf(figure) !== 'missed'),
  );
}

export function reportJson(results: readonly Result[], machine: Machine, quick: boolean): object {
  return {
    machine,
    quick,
    at: new Date().toISOString(),
    measurements: results.map(({ measurement: { name, about }, figures, failure, took }) => ({
      ...{ name, about, failure, took },
      figures: figures.map((figure) => ({ ...figure, verdict: verdictOf(figure) })),
    })),
  };
}
