import { declaredStatus, EVENT_TYPES, type PresenceEvent, STATUSES } from '@presence/domain';
import fc from 'fast-check';

export const EPOCH = Date.UTC(2024, 0, 15, 10, 30);

/** Few moments and sessions, so that ties and crossings are frequent. */
const SESSIONS = ['', 'a', 'b', 'B', 'é', '\uffff', '\u{1f600}'];

export const anyStatus = fc.constantFrom(...STATUSES);

export const anyEvent: fc.Arbitrary<PresenceEvent> = fc
  .record({
    type: fc.constantFrom(...EVENT_TYPES),
    userId: fc.constant(1),
    occurredAt: fc.integer({ min: EPOCH, max: EPOCH + 3 }),
    given: anyStatus,
    sessionId: fc.constantFrom(...SESSIONS),
  })
  .map(({ given, ...event }) => ({
    ...event,
    status: declaredStatus(event.type, given) ?? 'away',
  }));

export const anyLog = fc.array(anyEvent, { maxLength: 12 });
