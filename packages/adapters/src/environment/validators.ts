import { type ExactValidator, makeExactValidator } from 'envalid';
import { contents } from './value-file.js';

/** Bounds, both included. */
export interface Range {
  readonly min?: number;
  readonly max?: number;
}

const UNITS = { ms: 1, s: 1_000, m: 60_000, h: 3_600_000, d: 86_400_000 } as const;

/** Any text. Not for secrets: see {@link secretText}. */
export const text: ExactValidator<string> = makeExactValidator((value) => value);

/**
 * A length of time: a number and its unit, `500ms`, `30s`, `15m`, `12h` or `30d`; read as
 * milliseconds. A number alone is refused: whoever writes `30` may mean either unit.
 */
export function duration(range: Range = {}): ExactValidator<number> {
  return makeExactValidator((value) => {
    const [, number, unit] = /^(\d+(?:\.\d+)?)(ms|s|m|h|d)$/.exec(value) ?? [];
    if (number === undefined || unit === undefined) {
      const bare = /^\d+$/.test(value);
      const advice = bare ? `Say the unit: ${value}s or ${value}ms.` : 'Write it like 30s or 15m.';
      throw new Error(`is ${quoted(value)}, which is no length of time. ${advice}`);
    }
    const millis = Math.round(Number(number) * UNITS[unit as keyof typeof UNITS]);
    return within(millis, value, range, durationText);
  });
}

/** A length of time as {@link duration} reads it, in the largest unit that is whole. */
export function durationText(millis: number): string {
  const [name, size] = Object.entries(UNITS).findLast(([, unit]) => millis % unit === 0) ?? [];
  return millis === 0 || size === undefined ? `${millis}ms` : `${millis / size}${name}`;
}

export function integer(range: Range = {}): ExactValidator<number> {
  return makeExactValidator((value) => {
    if (!/^-?\d{1,15}$/.test(value)) {
      throw new Error(`is ${quoted(value)}. Set it to a whole number.`);
    }
    return within(Number(value), value, range, String);
  });
}

/** A TCP port; 0 lets the system choose a free one. */
export const port: ExactValidator<number> = integer({ min: 0, max: 65_535 });

export const boolean: ExactValidator<boolean> = makeExactValidator((value) => {
  const lower = value.toLowerCase();
  if (['true', 'yes', 'on', '1'].includes(lower)) return true;
  if (['false', 'no', 'off', '0'].includes(lower)) return false;
  throw new Error(`is ${quoted(value)}. Set it to true or false.`);
});

export function choice<const T extends string>(choices: readonly T[]): ExactValidator<T> {
  return makeExactValidator((value) => chosen(value, choices));
}

/** Values separated by commas; blanks around them do not count. */
export const list: ExactValidator<readonly string[]> = makeExactValidator<readonly string[]>(split);

export function choices<const T extends string>(
  allowed: readonly T[],
): ExactValidator<readonly T[]> {
  return makeExactValidator<readonly T[]>((value) =>
    split(value).map((item) => chosen(item, allowed)),
  );
}

/** A URL whose scheme is one of `schemes`. The faults do not show it: it may hold a password. */
export function url(schemes: readonly string[]): ExactValidator<string> {
  return makeExactValidator((value) => checkedUrl(value, schemes));
}

export function urls(schemes: readonly string[]): ExactValidator<readonly string[]> {
  return makeExactValidator<readonly string[]>((value) =>
    split(value).map((item) => checkedUrl(item, schemes)),
  );
}

/** The path of a file that this process can read now. */
export const readableFile: ExactValidator<string> = makeExactValidator((path) => {
  contents(path);
  return path;
});

/** Text of at least `minBytes` bytes that no fault shows. */
export function secretText(minBytes: number): ExactValidator<string> {
  return makeExactValidator((value) => {
    const bytes = Buffer.byteLength(value);
    if (bytes < minBytes) {
      throw new Error(`has ${bytes} bytes and needs at least ${minBytes}. ${SECRET_ADVICE}`);
    }
    return value;
  });
}

const SECRET_ADVICE = 'Make one with: openssl rand -base64 48';

function within(
  number: number,
  given: string,
  { min = Number.NEGATIVE_INFINITY, max = Number.POSITIVE_INFINITY }: Range,
  format: (number: number) => string,
): number {
  if (number < min) throw new Error(`is ${given}. Set it to ${format(min)} or more.`);
  if (number > max) throw new Error(`is ${given}. Set it to ${format(max)} or less.`);
  return number;
}

function chosen<T extends string>(value: string, choices: readonly T[]): T {
  const found = choices.find((choice) => choice === value);
  if (found === undefined) {
    throw new Error(`says ${quoted(value)}. It takes ${choices.join(', ')}.`);
  }
  return found;
}

function split(value: string): string[] {
  const items = value.split(',').map((item) => item.trim());
  const named = items.filter((item) => item !== '');
  if (named.length === 0) throw new Error('is an empty list. Name at least one, or unset it.');
  return named;
}

function checkedUrl(value: string, schemes: readonly string[]): string {
  const scheme = schemes.find((name) => value.startsWith(`${name}://`));
  // `user@/database?host=/run/postgresql` names a socket; WHATWG's URL insists on a host.
  if (scheme === undefined || !URL.canParse(value.replace('@/', '@socket/'))) {
    const forms = schemes.map((name) => `${name}://…`).join(' or ');
    throw new Error(
      `is no URL of the form ${forms}. Percent-encode special characters in a password.`,
    );
  }
  return value;
}

function quoted(value: string): string {
  return JSON.stringify(value.length > 80 ? `${value.slice(0, 80)}…` : value);
}
