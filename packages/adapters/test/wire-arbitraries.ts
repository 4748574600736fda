import { declaredStatus, EVENT_TYPES, type ReportedEvent, STATUSES } from '@presence/domain';
import fc from 'fast-check';

/** Text that an id may be. */
const text = fc
  .string({ unit: 'grapheme', minLength: 1, maxLength: 40 })
  .filter((value) => !value.includes('\u0000'));

/** Any event that may be published at `now`. */
export function arbitraryEvent(now: number): fc.Arbitrary<ReportedEvent> {
  const user = fc.oneof(
    fc.integer({ min: 1, max: Number.MAX_SAFE_INTEGER }),
    fc.record({ issuer: text, subject: text }),
  );
  const type = fc.constantFrom(...EVENT_TYPES);
  const facts = fc.record({ type, user, given: fc.constantFrom(...STATUSES) });
  const rest = fc.record({
    occurredAt: fc.integer({ min: 0, max: now }),
    sessionId: fc.oneof(fc.constant(''), fc.uuid(), text),
  });
  return fc.tuple(facts, rest).map(([{ type, user, given }, others]) => {
    const status = declaredStatus(type, given) ?? 'away';
    return { type, user, status, ...others };
  });
}

/** JSON that is nearly an event: good fields and bad ones, in any combination. */
export function nearlyEvent(): fc.Arbitrary<Record<string, unknown>> {
  const odd = fc.constantFrom<unknown>(null, 0, 1, -1, 1.5, '', 'x', [], {}, true, 2 ** 53, 1e300);
  const anyText = fc.oneof(
    text,
    fc.string({ unit: 'binary', maxLength: 300 }),
    fc.constantFrom('a'.repeat(255), 'a'.repeat(256), '😀'.repeat(255), '😀'.repeat(256), '\ud800'),
  );
  const times = fc.oneof(
    fc.date({ noInvalidDate: true }).map((date) => date.toJSON()),
    fc.constantFrom('2024-02-30T00:00:00Z', '2024-02-29T00:00:60Z', '0999-01-01T00:00:00Z'),
    fc
      .tuple(fc.integer({ min: 1, max: 13 }), fc.integer({ min: 0, max: 32 }), fc.nat({ max: 25 }))
      .map(([month, day, hour]) => `2023-${two(month)}-${two(day)}T${two(hour)}:00:00.5+01:00`),
  );
  const often = <T>(arbitrary: fc.Arbitrary<T>) =>
    fc.oneof({ weight: 8, arbitrary }, { weight: 1, arbitrary: odd });
  return fc.record(
    {
      type: often(fc.constantFrom(...EVENT_TYPES, 'batch')),
      user_id: often(fc.integer({ min: -1, max: Number.MAX_SAFE_INTEGER })),
      issuer: often(anyText),
      subject: often(anyText),
      username: often(anyText),
      session_id: often(anyText),
      source: often(anyText),
      occurred_at: often(times),
      status: often(fc.constantFrom(...STATUSES, 'busy')),
      unknown: fc.anything(),
    },
    { requiredKeys: [] },
  );
}

function two(value: number): string {
  return String(value).padStart(2, '0');
}
