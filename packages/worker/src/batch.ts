import {
  COMMIT_TIMEOUT,
  type CommittedStatus,
  type Progress,
  type RefusalReason,
  type ReportedEvent,
  type UserId,
} from '@presence/domain';
import type { HeldDelivery, HeldEvent } from './held-delivery.js';

/** What a batch came to, beside what was simply committed. */
export interface Outcome {
  readonly refused: ReadonlyMap<HeldEvent, RefusalReason>;
  readonly locked: ReadonlySet<UserId>;
  /** Whether changes wait to go out. */
  readonly announced: boolean;
  /** What the rows then said of the users of events that somebody awaits the effect of. */
  readonly current: ReadonlyMap<UserId, CommittedStatus>;
}

/** The deliveries that one flush is to settle, and their events. */
export class Batch {
  readonly held = new Set<HeldDelivery>();
  readonly events: HeldEvent[] = [];
  /** By the monotonic clock: whoever waits when it begins does so until it is concluded. */
  readonly #begun = performance.now();

  /** Takes in a delivery; an event without a number for its user is refused. */
  add(held: HeldDelivery, userOf: (event: ReportedEvent) => UserId | RefusalReason): void {
    this.held.add(held);
    for (const reported of held.delivery.events) {
      const user = userOf(reported);
      if (typeof user === 'string') held.refuse(reported, user);
      else this.events.push(heldEvent(held, reported, user));
    }
  }

  /** Takes in an event that had to wait for its row. */
  addLocked(event: HeldEvent): void {
    this.held.add(event.held);
    this.events.push(event);
    event.held.locked--;
  }

  /**
   * Whether an event waits for its row: while it is locked, and somebody awaits the effect. Whoever
   * does has been told by then that it is pending, and a worker that went on holding such events
   * would be full of them, and take nothing of others.
   */
  waits(event: HeldEvent, locked: ReadonlySet<UserId>): boolean {
    const isInTime = this.#begun - event.held.heldSince < COMMIT_TIMEOUT;
    return isInTime && isAwaited(event) && locked.has(event.userId);
  }

  /**
   * What to commit where some users' rows are locked: all but the events that wait for them. Those of
   * locked rows are deferred.
   */
  toCommit(locked: ReadonlySet<UserId>): { events: HeldEvent[]; progress: Progress[] } {
    return {
      events: this.events.filter((event) => !this.waits(event, locked)),
      progress: [...this.held].flatMap(({ delivery }) => delivery.progress ?? []),
    };
  }

  /** Notes what became of the events. @returns those that wait for their rows. */
  conclude({ refused, locked }: Outcome): HeldEvent[] {
    if (refused.size === 0 && locked.size === 0) return [];
    const waiting: HeldEvent[] = [];
    for (const event of this.events) {
      const reason = refused.get(event);
      if (reason !== undefined) event.held.refuse(event.reported, reason);
      if (!this.waits(event, locked)) continue;
      event.held.locked++;
      waiting.push(event);
    }
    return waiting;
  }
}

function heldEvent(held: HeldDelivery, reported: ReportedEvent, userId: UserId): HeldEvent {
  const { type, occurredAt, status, sessionId } = reported;
  return { type, userId, occurredAt, status, sessionId, held, reported };
}

/** Whether somebody waits for the effect. */
export function isAwaited({ held }: HeldEvent): boolean {
  return held.delivery.urgent;
}
