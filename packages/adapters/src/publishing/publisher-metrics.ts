import type { Duration } from '@presence/domain';

/** What a publisher tells whoever counts. Each may be left out. */
export interface PublisherMetrics {
  /** Events taken by `record` since it was last told: at the latest when they are sent. */
  recorded?(events: number): void;
  /** A batch went out: events after folding (0: a tick), and the size of its body. */
  sent?(events: number, bytes: number): void;
  /** The queue holds a batch; since when its oldest event had waited (0 for a tick). */
  confirmed?(events: number, after: Duration): void;
  /** A batch was not confirmed and will be sent again. */
  failed?(events: number, error: unknown): void;
  /** A submitted event's outcome; `unavailable`: the queue has not confirmed it. */
  submitted?(outcome: 'committed' | 'pending' | 'refused' | 'unavailable', after: Duration): void;
  /** The lease could not be renewed in the database. */
  leaseFailed?(error: unknown): void;
}
