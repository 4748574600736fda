/** A moment: whole milliseconds since 1970-01-01T00:00:00Z. */
export type Millis = number;

/** A length of time in whole milliseconds. */
export type Duration = number;

/** The end of the year 9999, the last that ISO 8601 writes in four digits. */
export const LATEST: Millis = 253_402_300_799_999;

/** Timers may fire a little before the clock says so: that is no other second yet. */
const TIMER_EARLY: Duration = 25;

/** @returns how long it is until a second of the clock is `past` ms old, so at most 1,025 ms */
export function untilPastSecond(past: Duration, now: Millis): Duration {
  const wait = 1_000 - ((now - past) % 1_000);
  return wait < TIMER_EARLY ? wait + 1_000 : wait;
}
