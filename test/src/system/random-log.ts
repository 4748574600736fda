import {
  applyEvent,
  declaredPresence,
  declaredStatus,
  EVENT_TYPES,
  NEVER_SEEN,
  type PresenceEvent,
  type UserId,
} from '@presence/domain';
import fc from 'fast-check';

/** A message as it goes on the queue. */
export interface Message {
  readonly key: string;
  readonly body: Buffer;
}

/** A row as the rules ask for it, in one line that can be compared and read. */
export type RowText = string;

/** Few sessions and moments, so that ties and crossings are frequent; bytes, not UTF-16, order them. */
const SESSIONS = ['', 'a', 'b', 'B', 'é', '\uffff', '\u{1f600}'];
const MOMENTS = 40;

function anyEvent(users: number, epoch: number): fc.Arbitrary<PresenceEvent> {
  return fc
    .record({
      type: fc.constantFrom(...EVENT_TYPES),
      userId: fc.integer({ min: 1, max: users }),
      occurredAt: fc.integer({ min: epoch, max: epoch + MOMENTS }),
      given: fc.constantFrom('online', 'away', 'offline'),
      sessionId: fc.constantFrom(...SESSIONS),
    })
    .map(({ given, ...event }) => ({
      ...event,
      status: declaredStatus(event.type, given) ?? 'away',
    }));
}

/** The same for the same seed. */
export function randomLog(
  { size, users, epoch }: { size: number; users: number; epoch: number },
  seed: number,
): PresenceEvent[] {
  return fc.sample(anyEvent(users, epoch), { numRuns: size, seed });
}

/** The log as it may arrive: shuffled, a tenth of it twice, single or in arrays of any length. */
export function randomMessages(log: readonly PresenceEvent[], seed: number): Message[] {
  const random = sequence(seed);
  const repeated = log.filter(() => random() < 0.1);
  const waiting = shuffled([...log, ...repeated], random);
  const messages: Message[] = [];
  while (waiting.length > 0) {
    const single = !isBatchable(waiting.at(-1)!) || random() < 0.2;
    messages.push(single ? one(waiting.pop()!) : several(waiting, 1 + Math.floor(random() * 60)));
  }
  return messages;
}

/** What the rows must say once all of the log is in them. */
export function foldOf(log: readonly PresenceEvent[], users: number): Map<UserId, RowText> {
  const folded = new Map(Array.from({ length: users }, (_, at) => [at + 1, NEVER_SEEN]));
  for (const event of log) {
    folded.set(event.userId, applyEvent(folded.get(event.userId)!, event));
  }
  return new Map(
    [...folded].map(([userId, presence]) => [
      userId,
      rowText({ ...presence, status: declaredPresence(presence) }),
    ]),
  );
}

export function rowText(row: {
  readonly lastSeen: number | null;
  readonly explicit: boolean;
  readonly status: string;
  readonly sessionId: string;
}): RowText {
  return JSON.stringify([row.lastSeen, row.explicit, row.status, row.sessionId]);
}

function isBatchable({ type }: PresenceEvent): boolean {
  return type === 'activity' || type === 'heartbeat';
}

function one(event: PresenceEvent): Message {
  const body = Buffer.from(JSON.stringify(wireForm(event)));
  return { key: `presence.${event.type}`, body };
}

/** Takes up to `most` events that may stand in one array. */
function several(waiting: PresenceEvent[], most: number): Message {
  const events: PresenceEvent[] = [];
  while (events.length < most && waiting.length > 0 && isBatchable(waiting.at(-1)!)) {
    events.push(waiting.pop()!);
  }
  const body = Buffer.from(JSON.stringify(events.map(wireForm)));
  return { key: 'presence.batch', body };
}

function wireForm({ type, userId, occurredAt, status, sessionId }: PresenceEvent): object {
  return {
    type,
    user_id: userId,
    occurred_at: new Date(occurredAt).toISOString(),
    ...(type === 'heartbeat' || type === 'status_set' ? { status } : {}),
    ...(sessionId === '' ? {} : { session_id: sessionId }),
  };
}

function shuffled<T>(items: T[], random: () => number): T[] {
  for (let last = items.length - 1; last > 0; last--) {
    const other = Math.floor(random() * (last + 1));
    [items[last], items[other]] = [items[other]!, items[last]!];
  }
  return items;
}

/** mulberry32: numbers in [0, 1) that depend on the seed alone. */
export function sequence(seed: number): () => number {
  let state = seed | 0;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}
