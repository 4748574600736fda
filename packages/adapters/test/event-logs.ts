import {
  declaredStatus,
  EVENT_TYPES,
  folded,
  type PresenceBatch,
  type PresenceEvent,
} from '@presence/domain';
import fc from 'fast-check';

/** Few users, moments and sessions, so that ties and crossings are frequent. */
export const USERS = 3;
export const EPOCH = Date.UTC(2024, 0, 15, 10, 30);

const SESSIONS = ['', 'a', 'b', 'B', 'é', '\uffff', '\u{1f600}'];

export const anyEvent: fc.Arbitrary<PresenceEvent> = fc
  .record({
    type: fc.constantFrom(...EVENT_TYPES),
    userId: fc.integer({ min: 1, max: USERS }),
    occurredAt: fc.integer({ min: EPOCH, max: EPOCH + 4 }),
    given: fc.constantFrom('online', 'away', 'offline'),
    sessionId: fc.constantFrom(...SESSIONS),
  })
  .map(({ given, ...event }) => ({
    ...event,
    status: declaredStatus(event.type, given) ?? 'away',
  }));

/** A log, and the batches that it arrives in: out of order, some of it twice, cut anywhere. */
export const anyDelivery: fc.Arbitrary<{ events: PresenceEvent[]; batches: PresenceEvent[][] }> = fc
  .array(anyEvent, { minLength: 1, maxLength: 25 })
  .chain((events) =>
    fc
      .tuple(
        fc.shuffledSubarray(events, { minLength: events.length, maxLength: events.length }),
        fc.shuffledSubarray(events),
        fc.array(fc.integer({ min: 1, max: 8 }), { minLength: 50, maxLength: 50 }),
      )
      .map(([shuffled, repeated, sizes]) => ({
        events,
        batches: cut([...shuffled, ...repeated], sizes),
      })),
  );

/** A batch as the worker writes it: folded by user. */
export function batchOf(events: readonly PresenceEvent[]): PresenceBatch {
  return { ...folded(events), progress: [] };
}

function cut<T>(items: readonly T[], sizes: readonly number[]): T[][] {
  const parts: T[][] = [];
  let from = 0;
  for (const size of sizes) {
    if (from >= items.length) return parts;
    parts.push(items.slice(from, from + size));
    from += size;
  }
  return [...parts, items.slice(from)].filter(({ length }) => length > 0);
}
