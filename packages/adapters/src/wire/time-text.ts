import type { Millis } from '@presence/domain';

const YEAR = '[1-9][0-9]{3}';
const LEAP_YEAR = '(?:[1-9][0-9](?:0[48]|[2468][048]|[13579][26])|(?:[2468][048]|[13579][26])00)';
const DATE = [
  `${YEAR}-(?:0[13578]|1[02])-(?:0[1-9]|[12][0-9]|3[01])`,
  `${YEAR}-(?:0[469]|11)-(?:0[1-9]|[12][0-9]|30)`,
  `${YEAR}-02-(?:0[1-9]|1[0-9]|2[0-8])`,
  `${LEAP_YEAR}-02-29`,
].join('|');
const HOUR_MINUTE = '(?:[01][0-9]|2[0-3]):[0-5][0-9]';

/**
 * RFC 3339's date-time, without leap seconds, days that no calendar has and years before 1000.
 * The decoder and the published schemas share it, so that they cannot disagree.
 */
export const TIME_PATTERN = `^(${DATE})[Tt](${HOUR_MINUTE}:[0-5][0-9])(?:\\.([0-9]+))?(?:[Zz]|([+-]${HOUR_MINUTE}))$`;

const TIME = new RegExp(TIME_PATTERN, 'u');
const MINUTE = 60_000;

const MILLIS = '000Z';
const [POINT, ZULU, ZERO] = [...'.Z0'].map((character) => character.charCodeAt(0)) as [
  number,
  number,
  number,
];

/** A second as `formatTime` writes it, up to the point before its milliseconds, and its time. */
let lastRead = { text: '', millis: Number.NaN };

/** Reads RFC 3339 with any offset and fraction, cut to milliseconds; `undefined`: it is none. */
export function parseTime(text: string): Millis | undefined {
  const millis = millisIn(text);
  if (millis === undefined) return parseAny(text);
  const second = text.slice(0, -MILLIS.length);
  if (second !== lastRead.text) {
    const time = parseAny(text);
    if (time === undefined) return undefined;
    lastRead = { text: second, millis: time - millis };
  }
  return lastRead.millis + millis;
}

function parseAny(text: string): Millis | undefined {
  const match = TIME.exec(text);
  if (match === null) return undefined;
  const [, date, time, fraction, offset] = match as unknown as [
    string,
    string,
    string,
    string?,
    string?,
  ];
  const seconds = Date.parse(`${date}T${time}Z`);
  const millis = fraction === undefined ? 0 : Number(fraction.slice(0, 3).padEnd(3, '0'));
  return seconds + millis - (offset === undefined ? 0 : offsetMillis(offset));
}

let lastSecond = { second: Number.NaN, text: '' };
let lastWritten = { time: Number.NaN, text: '' };

/**
 * UTC with milliseconds, as every time that we write. Most are of the same millisecond as the one
 * before, or at least of the same second: each is written once.
 */
export function formatTime(time: Millis): string {
  if (time !== lastWritten.time) lastWritten = { time, text: textOf(time) };
  return lastWritten.text;
}

function textOf(time: Millis): string {
  const second = Math.floor(time / 1_000);
  if (second !== lastSecond.second) {
    lastSecond = { second, text: new Date(second * 1_000).toISOString().slice(0, -MILLIS.length) };
  }
  const millis = Math.floor(time) - second * 1_000;
  return `${lastSecond.text}${millis < 10 ? '00' : millis < 100 ? '0' : ''}${millis}Z`;
}

/** The milliseconds of what is as long as, and ends like, what `formatTime` writes. */
function millisIn(text: string): number | undefined {
  if (text.length !== 24 || text.charCodeAt(19) !== POINT || text.charCodeAt(23) !== ZULU) return;
  const [hundreds, tens, ones] = [digit(text, 20), digit(text, 21), digit(text, 22)];
  const sound = hundreds >= 0 && hundreds < 10 && tens >= 0 && tens < 10 && ones >= 0 && ones < 10;
  return sound ? hundreds * 100 + tens * 10 + ones : undefined;
}

function digit(text: string, at: number): number {
  return text.charCodeAt(at) - ZERO;
}

function offsetMillis(offset: string): number {
  const minutes = Number(offset.slice(1, 3)) * 60 + Number(offset.slice(4));
  return (offset.startsWith('-') ? -minutes : minutes) * MINUTE;
}
