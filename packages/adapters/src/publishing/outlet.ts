import type { Duration, PresenceEvent, Submission } from '@presence/domain';
import type { Batch } from './batch-log.js';

/** There is no queue where there was one: what it held is gone, confirmed or not. */
export class QueueGone extends Error {
  override readonly name = 'QueueGone';
}

/** The part of a publisher that knows the queue's technology. */
export interface Outlet {
  /** Whether the queue can be reached now. */
  readonly connected: boolean;

  /** Whether a batch handed over now would go out: connected, not blocked, room in the socket. */
  readonly ready: boolean;

  /**
   * Resolves once the queue holds the batch; rejects when it does not, or nobody knows.
   * @throws QueueGone
   */
  sendBatch(batch: Batch): Promise<void>;

  /** As EventPublisher.submit. @throws Unavailable, its cause QueueGone where that is why */
  submit(event: PresenceEvent, timeout: Duration): Promise<Submission>;

  /** Is told whenever `ready` has become true. */
  onReady(listener: () => void): void;
}
