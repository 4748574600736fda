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

/** Reads RFC 3339 with any offset and fraction, cut to milliseconds; `undefined`: it is none. */
export function parseTime(text: string): Millis | undefined {
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

let last = { time: Number.NaN, text: '' };

/**
 * UTC with milliseconds, as every time that we write. Many events are of one millisecond: what was
 * written last is not written anew, which was 4 % of a heartbeat.
 */
export function formatTime(time: Millis): string {
  if (time !== last.time) last = { time, text: new Date(time).toISOString() };
  return last.text;
}

function offsetMillis(offset: string): number {
  const minutes = Number(offset.slice(1, 3)) * 60 + Number(offset.slice(4));
  return (offset.startsWith('-') ? -minutes : minutes) * MINUTE;
}
