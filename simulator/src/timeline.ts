import { faultText, named } from './report.js';
import type { Sample } from './sample.js';
import { type Fault, HOUR, MINUTE } from './scenario.js';
import type { Result } from './simulation.js';

const WIDTH = 1_200;
const LEFT = 76;
const RIGHT = 24;
const PLOT = WIDTH - LEFT - RIGHT;
/** Where each panel lies, from top to bottom. */
const COUNTS = { top: 130, height: 300 };
const WRONG = { top: 488, height: 170 };
const HEIGHT = 716;
const COLOURS = {
  truth: '#cbd5e1',
  real: '#1d4ed8',
  naive: '#dc2626',
  fault: '#fde68a',
  name: '#92400e',
  text: '#1e293b',
  quiet: '#64748b',
  grid: '#e2e8f0',
};
const LINES = 5;
/** Of the name of a fault that lies far to the right. */
const NAME_WIDTH = 100;

interface Panel {
  readonly top: number;
  readonly height: number;
  readonly most: number;
}

type Pick = (sample: Sample) => number;

/** Truth against shown counts over the whole run, as one SVG that needs nothing else. */
export function timeline(result: Result): string {
  const { samples, scenario } = result;
  const counts = panel(COUNTS, samples, [there, shownReal, shownNaive]);
  const wrong = panel(WRONG, samples, [wrongReal, wrongNaive]);
  const end = scenario.hours * HOUR;
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${WIDTH} ${HEIGHT}" `,
    `font-family="system-ui, sans-serif" font-size="13" fill="${COLOURS.text}">\n`,
    `<title>${escaped(title(result))}</title>\n`,
    `<rect width="${WIDTH}" height="${HEIGHT}" fill="#fff"/>\n`,
    label(LEFT, 30, title(result), 'font-size="18" font-weight="600"'),
    legend(),
    ...scenario.faults.map((fault) => faultBand(fault, end)),
    ...[counts, wrong].flatMap((one) => [grid(one), hours(one, end)]),
    label(LEFT, COUNTS.top - 10, 'users', `fill="${COLOURS.quiet}"`),
    label(LEFT, WRONG.top - 10, 'users shown wrongly at that moment', `fill="${COLOURS.quiet}"`),
    area(counts, samples, there, end),
    ...scenario.faults.map((fault, at) => faultName(fault, at, end)),
    curve(counts, samples, shownNaive, end, COLOURS.naive),
    curve(counts, samples, shownReal, end, COLOURS.real),
    curve(wrong, samples, wrongNaive, end, COLOURS.naive),
    curve(wrong, samples, wrongReal, end, COLOURS.real),
    '</svg>\n',
  ].join('');
}

const there: Pick = (sample) => sample.there;
const shownReal: Pick = ({ real }) => real.shown;
const shownNaive: Pick = ({ naive }) => naive.shown;
const wrongReal: Pick = ({ real }) => real.ghosts + real.absences;
const wrongNaive: Pick = ({ naive }) => naive.ghosts + naive.absences;

function title({ scenario: { name, users, hours }, seed }: Result): string {
  const count = users.toLocaleString('en');
  return `Who is there, and who is shown: ${name}, ${count} users, ${hours} h, seed ${seed}`;
}

function panel(place: typeof COUNTS, samples: readonly Sample[], picks: readonly Pick[]): Panel {
  let most = 1;
  for (const sample of samples) for (const pick of picks) most = Math.max(most, pick(sample));
  return { ...place, most: round(most) };
}

/** The next of 1, 2, 5, 10, 20 … that is at least so much, in fifths: the grid's numbers are round. */
function round(most: number): number {
  const unit = 10 ** Math.floor(Math.log10(most / LINES));
  const step = [1, 2, 2.5, 5, 10].find((factor) => factor * unit * LINES >= most) ?? 10;
  return Math.max(LINES, step * unit * LINES);
}

function legend(): string {
  const entries = [
    [COLOURS.truth, 'really there'],
    [COLOURS.real, 'shown by presence'],
    [COLOURS.naive, 'shown by the naive rule'],
    [COLOURS.fault, 'a part is away'],
  ] as const;
  return entries
    .map(([colour, text], at) => {
      const x = LEFT + at * 215;
      const box = `<rect x="${x}" y="46" width="22" height="12" rx="2" fill="${colour}"/>\n`;
      return box + label(x + 30, 57, text);
    })
    .join('');
}

function faultBand(fault: Fault, end: number): string {
  const from = x(fault.at, end);
  const width = faultWidth(fault, end);
  const band = ({ top, height }: typeof COUNTS) =>
    `<rect x="${from}" y="${top}" width="${width}" height="${height}" fill="${COLOURS.fault}"/>\n`;
  return `<g><title>${escaped(faultText(fault))}</title>\n${band(COUNTS)}${band(WRONG)}</g>\n`;
}

/** Names stand above the curves; neighbours at three heights, so as not to lie on each other. */
function faultName(fault: Fault, index: number, end: number): string {
  const from = x(fault.at, end);
  const isLate = from > WIDTH - RIGHT - NAME_WIDTH;
  const at = isLate ? from - 4 : from + faultWidth(fault, end) + 4;
  const anchor = `font-size="11" fill="${COLOURS.name}" text-anchor="${isLate ? 'end' : 'start'}"`;
  return label(at, COUNTS.top - 36 + (index % 3) * 13, named(fault.kind, fault.which), anchor);
}

/** A fault that lasts no time is still to be seen. */
function faultWidth({ at, until }: Fault, end: number): number {
  return Math.max(2, x(until, end) - x(at, end));
}

function grid({ top, height, most }: Panel): string {
  return Array.from({ length: LINES + 1 }, (_, at) => {
    const y = top + height - (height * at) / LINES;
    const value = ((most * at) / LINES).toLocaleString('en');
    return [
      `<path d="M${LEFT} ${y}H${WIDTH - RIGHT}" stroke="${COLOURS.grid}"/>\n`,
      label(LEFT - 8, y + 4, value, `text-anchor="end" fill="${COLOURS.quiet}"`),
    ].join('');
  }).join('');
}

function hours({ top, height }: Panel, end: number): string {
  const step = end > 12 * HOUR ? 2 * HOUR : end > 3 * HOUR ? HOUR : 10 * MINUTE;
  const marks: string[] = [];
  for (let at = 0; at <= end; at += step) {
    marks.push(label(x(at, end), top + height + 18, time(at), middle()));
  }
  return marks.join('');
}

function middle(): string {
  return `text-anchor="middle" fill="${COLOURS.quiet}"`;
}

function time(at: number): string {
  const two = (part: number) => String(part).padStart(2, '0');
  return `${two(Math.floor(at / HOUR))}:${two(Math.round((at % HOUR) / MINUTE))}`;
}

function area(place: Panel, samples: readonly Sample[], pick: Pick, end: number): string {
  const bottom = place.top + place.height;
  const [first, last] = [samples[0]!, samples.at(-1)!];
  const path = `M${x(first.at, end)} ${bottom}L${points(place, samples, pick, end)}L${x(last.at, end)} ${bottom}Z`;
  return `<path d="${path}" fill="${COLOURS.truth}" fill-opacity="0.7"/>\n`;
}

function curve(
  place: Panel,
  samples: readonly Sample[],
  pick: Pick,
  end: number,
  colour: string,
): string {
  const path = `M${points(place, samples, pick, end)}`;
  return `<path d="${path}" fill="none" stroke="${colour}" stroke-width="1.6" stroke-linejoin="round"/>\n`;
}

function points(place: Panel, samples: readonly Sample[], pick: Pick, end: number): string {
  const { top, height, most } = place;
  const y = (value: number) => (top + height * (1 - value / most)).toFixed(1);
  return samples.map((sample) => `${x(sample.at, end)} ${y(pick(sample))}`).join('L');
}

function x(at: number, end: number): number {
  return Math.round((LEFT + (PLOT * at) / end) * 10) / 10;
}

function label(at: number, y: number, text: string, attributes = ''): string {
  return `<text x="${at}" y="${y}" ${attributes}>${escaped(text)}</text>\n`;
}

function escaped(text: string): string {
  return text.replaceAll('&', '&amp;').replaceAll('<', '&lt;');
}
