import type { Curve } from './figure.js';

const WIDTH = 720;
const HEIGHT = 400;
const PLOT = { left: 90, right: 30, top: 60, bottom: 60 };
const COLOURS = { curve: '#1d4ed8', grid: '#e2e8f0', text: '#1e293b', quiet: '#64748b' };
const LINES = 5;

/** A curve over a logarithmic axis, as one SVG that needs nothing else. */
export function chart({ name, x, y, points }: Curve): string {
  const most = roundUp(Math.max(...points.map(([, value]) => value)));
  const places = points.map(([at, value]) => [across(points, at), up(value, most)] as const);
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${WIDTH} ${HEIGHT}" `,
    `font-family="system-ui, sans-serif" font-size="13" fill="${COLOURS.text}">\n`,
    `<title>${name}</title>\n<rect width="${WIDTH}" height="${HEIGHT}" fill="#fff"/>\n`,
    label(PLOT.left, 30, `${name}: ${y} by ${x}`, 'font-size="16" font-weight="600"'),
    ...Array.from({ length: LINES + 1 }, (_, at) => gridLine((most * at) / LINES, most)),
    `<polyline fill="none" stroke="${COLOURS.curve}" stroke-width="2" points="`,
    `${places.map((place) => place.join(',')).join(' ')}"/>\n`,
    ...places.map(([left, top], at) => point(left, top, points[at]!)),
    '</svg>\n',
  ].join('');
}

function across(points: Curve['points'], value: number): number {
  const [first, last] = [points[0]![0], points.at(-1)![0]];
  const part = first === last ? 0 : Math.log(value / first) / Math.log(last / first);
  return Math.round(PLOT.left + part * (WIDTH - PLOT.left - PLOT.right));
}

function up(value: number, most: number): number {
  return Math.round(HEIGHT - PLOT.bottom - (value / most) * (HEIGHT - PLOT.top - PLOT.bottom));
}

/** The next of 1, 2, 5, 10 … fifths, so that the numbers beside the lines are round. */
function roundUp(most: number): number {
  const unit = 10 ** Math.floor(Math.log10(most / LINES));
  const step = [1, 2, 5, 10].find((factor) => factor * unit * LINES >= most) ?? 10;
  return step * unit * LINES;
}

function gridLine(value: number, most: number): string {
  const top = up(value, most);
  const path = `<path d="M${PLOT.left} ${top}H${WIDTH - PLOT.right}" stroke="${COLOURS.grid}"/>\n`;
  return path + label(PLOT.left - 8, top + 4, number(value), 'text-anchor="end"');
}

function point(left: number, top: number, [x, y]: readonly [number, number]): string {
  const middle = `text-anchor="middle" fill="${COLOURS.quiet}"`;
  return [
    `<circle cx="${left}" cy="${top}" r="4" fill="${COLOURS.curve}"/>\n`,
    label(left, top - 10, number(Math.round(y)), middle),
    label(left, HEIGHT - PLOT.bottom + 20, number(x), middle),
  ].join('');
}

function label(x: number, y: number, text: string, how: string): string {
  return `<text x="${x}" y="${y}" ${how}>${text}</text>\n`;
}

function number(value: number): string {
  return value.toLocaleString('en');
}
