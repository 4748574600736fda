import type { PresenceEvent, ReportedEvent } from '../event.js';
import type { Status } from '../status.js';
import type { Duration, Millis } from '../time.js';

/** What the database says of a user once a submitted event is committed. */
export interface CommittedStatus {
  readonly status: Status;
  readonly lastSeen: Millis | null;
}

export type Submission =
  /** Committed: every later read shows it, or something later still. */
  | { readonly outcome: 'committed'; readonly presence: CommittedStatus }
  /** The queue holds it durably; it will be committed. */
  | { readonly outcome: 'pending' }
  /** Refused for good, with the reason that the dead letter carries. */
  | { readonly outcome: 'refused'; readonly reason: RefusalReason };

/** Why a message is not, and never will be, applied. */
export type RefusalReason =
  | 'invalid_json'
  | 'too_large'
  | 'too_many'
  | 'invalid_event'
  | 'routing_key_mismatch'
  | 'unknown_user'
  | 'future_timestamp'
  | `database:${string}`;

/**
 * Sends events on their way. Heartbeats and activity repeat and are recorded; transitions matter
 * and are submitted.
 */
export interface EventPublisher {
  /**
   * Takes an `activity` or `heartbeat` event: in memory now, on the queue's disk within 100 ms
   * while it can be reached; keeps one event a user while it cannot. Never waits.
   * @throws TypeError where a field is not of its type, or it is no such event; for no other reason
   */
  record(event: ReportedEvent): void;

  /**
   * Sends a transition and waits, for `timeout` at most, until it is committed.
   * @throws Unavailable when the queue has not confirmed it: it may or may not be applied, and
   *   submitting it again is safe.
   */
  submit(event: PresenceEvent, timeout: Duration): Promise<Submission>;

  /**
   * Whether a recorded event may still be promised: false once the oldest unconfirmed one is
   * older than the horizon, or this publisher's lease has lapsed.
   */
  readonly accepting: boolean;

  /** Whether the queue can be reached now. */
  readonly connected: boolean;

  /** Sends what is left, waits for its confirmation up to `timeout`, and gives up its lease. */
  close(timeout: Duration): Promise<void>;
}
