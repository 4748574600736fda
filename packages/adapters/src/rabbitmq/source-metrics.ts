import type { RefusalReason } from '@presence/domain';

/** What a source tells whoever counts. Each may be left out. */
export interface SourceMetrics {
  /** A message came in, with this many good events. */
  delivered?(events: number, bytes: number): void;
  /** Something was dead-lettered. */
  refused?(reason: RefusalReason): void;
  /** A message was handed back. */
  requeued?(): void;
}
