/**
 * The domain's visibleStatus in SQL. A row `p` stands beside a row `clock`, whose `silent_before`
 * is as-of less the silence that is allowed: whoever has been silent for exactly as long is still
 * shown as declared.
 */

/** The relation `clock`; `$1` holds the silence that is allowed, in milliseconds. */
export const CLOCK = `(SELECT as_of, as_of - $1 * interval '1 ms' AS silent_before
  FROM presence_clock) clock`;

/** The visible status of `p`. */
export const VISIBLE = `CASE WHEN p.last_seen >= clock.silent_before THEN p.online_status
  ELSE 'offline' END`;

/** Conditions on `p`, in the shape of the index that answers them. */
export const SHOWN = {
  online: `p.online_status = 'online' AND p.last_seen >= clock.silent_before`,
  away: `p.online_status = 'away' AND p.last_seen >= clock.silent_before`,
  /** Written as online or away, but silent for too long: what the sweep is about to write. */
  silent: silentBefore('clock.silent_before'),
};

/** The same as of a moment, an expression in SQL. */
export function silentBefore(moment: string): string {
  return `p.online_status <> 'offline' AND p.online_status IN ('online', 'away')
    AND p.last_seen < ${moment}`;
}
