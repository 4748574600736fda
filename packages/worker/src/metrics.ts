import type { Duration } from '@presence/domain';

/** What the worker tells of its work. Durations in milliseconds. */
export interface WorkerMetrics {
  flushed(batch: {
    deliveries: number;
    events: number;
    duration: Duration;
    /** From the oldest event to its row. */
    lag: Duration;
  }): void;
  refused(reason: string, count: number): void;
  swept(users: number): void;
  relayed(changes: number): void;
  /** Changes that will never go out: too many waited. */
  dropped(changes: number): void;
  asOfLag(lag: Duration): void;
}
