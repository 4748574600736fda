import type { PresenceEvent } from '@presence/domain';

/** As long as the ids of our own sessions. */
const SESSION = '00000000-0000-4000-8000-';

/** Numbers from 1 to `count` in an order that is nobody's, by Fisher and Yates. */
export function shuffled(count: number): number[] {
  const ids = Array.from({ length: count }, (_, at) => at + 1);
  for (let at = count - 1; at > 0; at--) {
    const other = Math.floor(Math.random() * (at + 1));
    [ids[at], ids[other]] = [ids[other]!, ids[at]!];
  }
  return ids;
}

/** A heartbeat of now, in the user's one session. */
export function heartbeat(userId: number): PresenceEvent {
  const sessionId = SESSION + String(userId).padStart(12, '0');
  return { type: 'heartbeat', userId, occurredAt: Date.now(), status: 'online', sessionId };
}

/** Items in lots of so many. */
export function* lots<Item>(items: readonly Item[], size: number): Generator<Item[]> {
  for (let at = 0; at < items.length; at += size) yield items.slice(at, at + size);
}
