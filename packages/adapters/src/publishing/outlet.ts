import type { Duration, PresenceEvent, Submission } from '@presence/domain';
import type { Batch } from './batch-log.js';

/** The part of a publisher that knows the queue's technology. */
export interface Outlet {
  /** Whether the queue can be reached now. */
  readonly connected: boolean;

  /** Whether a batch handed over now would go out: connected, not blocked, room in the socket. */
  readonly ready: boolean;

  /** Resolves once the queue holds the batch; rejects when it does not, or nobody knows. */
  sendBatch(batch: Batch): Promise<void>;

  /** As EventPublisher.submit. @throws Unavailable */
  submit(event: PresenceEvent, timeout: Duration): Promise<Submission>;

  /** Is told whenever `ready` has become true. */
  onReady(listener: () => void): void;
}
