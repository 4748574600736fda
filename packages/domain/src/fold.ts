import { type EventFacts, endsSession, greaterEvent, type PresenceEvent } from './event.js';
import type { UserId } from './user.js';

/**
 * A bounded map of the greatest event of each user. Folding before writing changes nothing that
 * can be read: the greatest of the greatest is the greatest.
 */
export class Fold<Key, Event extends EventFacts> {
  readonly #greatest = new Map<Key, Event>();

  get size(): number {
    return this.#greatest.size;
  }

  add(key: Key, event: Event): void {
    const known = this.#greatest.get(key);
    this.#greatest.set(key, known === undefined ? event : greaterEvent(known, event));
  }

  entries(): IterableIterator<[Key, Event]> {
    return this.#greatest.entries();
  }

  /** Takes out up to `max` events, those of the longest-waiting users first. */
  take(max: number): Event[] {
    const taken: Event[] = [];
    for (const [key, event] of this.#greatest) {
      if (taken.length === max) break;
      taken.push(event);
      this.#greatest.delete(key);
    }
    return taken;
  }
}

/** The greatest event of each user, and all those that end a session. */
export function folded<Event extends PresenceEvent>(
  events: readonly Event[],
): { events: Event[]; ended: Event[] } {
  const greatest = new Fold<UserId, Event>();
  for (const event of events) greatest.add(event.userId, event);
  return { events: greatest.take(Number.POSITIVE_INFINITY), ended: events.filter(endsSession) };
}
