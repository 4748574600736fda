import { isUtf8 } from 'node:buffer';
import { printable } from '@presence/adapters/process';
import type { DeadLetter } from '@presence/adapters/rabbitmq';
import { formatTime } from '@presence/adapters/wire';
import type { Millis } from '@presence/domain';

const EVENT_WIDTH = 72;

/** The letter's own lines and tabs kept; bytes that are no text as `\xNN`. */
export function bodyText(body: Buffer): string {
  if (!isUtf8(body)) return printable(body.toString('latin1').replace(/[\u0080-\u00ff]/g, byte));
  const lines = body.toString().split('\n');
  return lines.map((line) => line.split('\t').map(printable).join('\t')).join('\n');
}

function byte(character: string): string {
  return `\\x${character.charCodeAt(0).toString(16)}`;
}

/** The beginning of a letter, in one line. */
export function excerpt(body: Buffer, width = EVENT_WIDTH): string {
  const start = body.subarray(0, 4 * width);
  const text = isUtf8(body) ? printable(start.toString()) : bodyText(start);
  const characters = [...text.replace(/\\u000[ad]\s*/g, ' ')];
  const isWhole = characters.length <= width && start.length === body.length;
  return isWhole ? characters.join('') : `${characters.slice(0, width - 1).join('')}…`;
}

/** What a program reads; the body as it came, in Base64 where it is no text. */
export function letterJson({ number, reason, refusedAt, body, looks }: DeadLetter) {
  return {
    number,
    reason,
    refused_at: refusedAt === undefined ? null : formatTime(refusedAt),
    size: body.length,
    looks,
    ...(isUtf8(body) ? { body: body.toString() } : { body_base64: body.toString('base64') }),
  };
}

export function counted(count: number, noun = 'dead letter'): string {
  return `${count.toLocaleString('en')} ${noun}${count === 1 ? '' : 's'}`;
}

/** `2026-01-15 10:30:00Z, 3 h ago`. */
export function timeText(time: Millis | undefined, now: Millis): string {
  if (time === undefined) return '(no time)';
  return `${formatTime(time).replace('T', ' ').replace('.000', '')}, ${ageText(now - time)}`;
}

const AGES: readonly [string, number][] = [
  ['d', 86_400_000],
  ['h', 3_600_000],
  ['min', 60_000],
  ['s', 1_000],
];

function ageText(age: number): string {
  const [unit, size] = AGES.find(([, least]) => age >= 2 * least) ?? ['s', 1_000];
  return `${Math.max(0, Math.floor(age / size))} ${unit} ago`;
}

/** Reasons and how many letters have each, the most frequent first. */
export function countsText(counts: ReadonlyMap<string, number>): string {
  const rows = [...counts].sort(([, a], [, b]) => b - a);
  return table(rows.map(([reason, count]) => [count.toLocaleString('en'), printable(reason)]));
}

/** Columns as wide as they need; the first to the right. */
export function table(rows: readonly (readonly string[])[]): string {
  const widths = (rows[0] ?? []).map((_, at) => Math.max(...rows.map((row) => row[at]!.length)));
  const lines = rows.map((row) =>
    row.map((cell, at) => (at === 0 ? cell.padStart(widths[at]!) : cell.padEnd(widths[at]!))),
  );
  return lines.map((cells) => `  ${cells.join('  ').trimEnd()}\n`).join('');
}
