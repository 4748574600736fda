import type { ReportedEvent } from '../event.js';
import type { Duration } from '../time.js';
import type { CommittedStatus, RefusalReason } from './event-publisher.js';
import type { Progress } from './progress.js';

/** One message, decoded. */
export interface Delivery {
  readonly events: readonly ReportedEvent[];
  /** What of the message could not be accepted, each with its reason. */
  readonly refusals: readonly Refusal[];
  /** What its publisher has recorded by it; `null` for publishers that keep no count. */
  readonly progress: Progress | null;
  /** Whether somebody waits for the outcome: flush at once. */
  readonly urgent: boolean;
  /** Refuses one of `events`, in the words in which it came. */
  refuse(event: ReportedEvent, reason: RefusalReason): Refusal;
}

/** A part of a message that is dead-lettered: `body` is what to publish there. */
export interface Refusal {
  readonly reason: RefusalReason;
  readonly body: Uint8Array;
}

/**
 * What has become of a delivery. The adapter publishes the refusals as dead letters, replies, and
 * acknowledges, in that order; a handler never sees a channel.
 */
export type Verdict =
  | {
      readonly kind: 'settled';
      readonly refusals: readonly Refusal[];
      /** What the database now says, for whoever submitted it; `null` where the event was refused. */
      readonly reply: CommittedStatus | null;
    }
  /** Deliver it again, to anyone. */
  | { readonly kind: 'requeue' };

/** Must not throw. May take as long as it needs; deliveries are settled in any order. */
export type DeliveryHandler = (delivery: Delivery) => Promise<Verdict>;

/** Hands over what the queue holds. */
export interface EventSource {
  /** Begins to consume; connects again by itself whenever the queue comes back. */
  start(handler: DeliveryHandler): Promise<void>;

  /** Takes no more deliveries; those handed over may still be settled. */
  pause(): Promise<void>;

  /** Settles what is handed over, up to `timeout`, and lets go. */
  close(timeout: Duration): Promise<void>;

  readonly connected: boolean;
}
