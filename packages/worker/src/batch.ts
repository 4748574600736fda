import {
  endsSession,
  Fold,
  type PresenceBatch,
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
}

/** The deliveries that one flush is to settle, and their events. */
export class Batch {
  readonly held = new Set<HeldDelivery>();
  readonly events: HeldEvent[] = [];

  /** Takes in a delivery; an event without a number for its user is refused. */
  add(held: HeldDelivery, userIdOf: (event: ReportedEvent) => UserId | undefined): void {
    this.held.add(held);
    for (const reported of held.delivery.events) {
      const userId = userIdOf(reported);
      if (userId === undefined) held.refuse(reported, 'unknown_user');
      else this.events.push(heldEvent(held, reported, userId));
    }
  }

  /** Takes in an event that had to wait for its row. */
  addLocked(event: HeldEvent): void {
    this.held.add(event.held);
    this.events.push(event);
    event.held.locked--;
  }

  /** What to write, without the users whose rows are locked and the deliveries that they hold up. */
  toWrite(locked: ReadonlySet<UserId>): { events: HeldEvent[]; progress: Progress[] } {
    const incomplete = new Set<HeldDelivery>();
    const events = this.events.filter(({ userId, held }) => {
      if (!locked.has(userId)) return true;
      incomplete.add(held);
      return false;
    });
    const progress = [...this.held]
      .filter((held) => held.locked === 0 && !incomplete.has(held))
      .flatMap(({ delivery }) => delivery.progress ?? []);
    return { events, progress };
  }

  /** Notes what became of the events. @returns those whose rows are locked. */
  conclude({ refused, locked }: Outcome): HeldEvent[] {
    if (refused.size === 0 && locked.size === 0) return [];
    const waiting: HeldEvent[] = [];
    for (const event of this.events) {
      const reason = refused.get(event);
      if (reason !== undefined) event.held.refuse(event.reported, reason);
      if (!locked.has(event.userId)) continue;
      event.held.locked++;
      waiting.push(event);
    }
    return waiting;
  }
}

/** The greatest event of each user, and all those that end a session. */
export function folded(events: readonly HeldEvent[]): Pick<PresenceBatch, 'events' | 'ended'> {
  const greatest = new Fold<UserId, HeldEvent>();
  for (const event of events) greatest.add(event.userId, event);
  return { events: greatest.take(Number.POSITIVE_INFINITY), ended: events.filter(endsSession) };
}

function heldEvent(held: HeldDelivery, reported: ReportedEvent, userId: UserId): HeldEvent {
  const { type, occurredAt, status, sessionId } = reported;
  return { type, userId, occurredAt, status, sessionId, held, reported };
}
