import { BATCH_KEY, eventKey } from '@presence/adapters/wire';
import { NO_SESSION, type RefusalReason, type UserId } from '@presence/domain';
import { eventually, nestedHeaders } from '@presence/test-services';
import type { FaultCase } from '../fault-case.js';
import { type Publisher, wireForm } from '../publisher.js';
import type { Trial } from '../trial.js';

type Poison = readonly [reason: RefusalReason, body: string];

const HEARTBEAT = eventKey('heartbeat');
const MEBIBYTE = 1_048_576;
/** Deep enough to end a parser that calls itself, and shorter than a message may be. */
const DEPTH = 30_000;
/**
 * The same for headers: amqplib's stack ended at 3,000 to 4,000 tables, or 5,000 to 9,000 arrays.
 * Not far beyond, since a quorum queue of RabbitMQ 3.10 takes time by the square of the depth:
 * 8,000 tables or 12,000 arrays 0.4 s of a processor, 15,000 tables 1 s.
 */
const HEADER_DEPTH = { table: 8_000, array: 12_000 };

/** None of it is an event, whoever it names. */
function poisons(userId: UserId): Poison[] {
  const event = (more: string) => `{"type":"heartbeat","user_id":${userId},${more}}`;
  return [
    ['invalid_json', '{"type":"heartbeat"'],
    ['invalid_json', `{"type":"heartbeat","user_id":NaN}`],
    ['invalid_json', '\u0000'],
    ['invalid_json', '\xff\xfe'],
    ['too_large', 'x'.repeat(MEBIBYTE)],
    ['too_large', event(`"source":"${'x'.repeat(MEBIBYTE)}"`)],
    ['invalid_event', `{"__proto__":${event('"source":"x"')}}`],
    ['invalid_event', `{"type":"__proto__","user_id":${userId}}`],
    ['invalid_event', `{"type":"heartbeat","user_id":1e999}`],
    ['invalid_event', event('"session_id":"\\u0000"')],
    ['invalid_event', event('"occurred_at":"2024-13-45T99:00:00Z"')],
    ['invalid_event', event('"status":"offline"')],
    ['invalid_event', `${'{"a":'.repeat(DEPTH)}1${'}'.repeat(DEPTH)}`],
  ];
}

export const POISON: FaultCase = {
  number: 26,
  fault: 'poison: bad JSON, 1 MiB, __proto__, NaN, NUL, deep nesting',
  did: 'each by itself, and each that parses in an array between good events; headers nested deeply',
  short: true,
  run: async (trial) => {
    await trial.load();
    const publisher = await trial.publisher();
    const people = await trial.people(40);
    const all = poisons(people[0]!.userId);
    for (const [reason, body] of all) {
      await publisher.publishRefused(HEARTBEAT, Buffer.from(body, 'latin1'), reason);
    }
    const inArrays = all.filter(([reason]) => reason === 'invalid_event');
    for (const [at, [reason, body]] of inArrays.entries()) {
      const mates = people.slice(2 * at, 2 * at + 2).map(({ userId }) => userId);
      await publishBetween(trial, publisher, mates, reason, body);
    }
    // No poison, once it is read: nobody looks at headers that are not ours.
    for (const kind of ['table', 'array'] as const) {
      const { userId } = people.at(-1)!;
      const event = {
        type: 'heartbeat',
        status: 'online',
        userId,
        occurredAt: Date.now(),
      } as const;
      await publisher.publishWithHeaders(event, nestedHeaders(kind, HEADER_DEPTH[kind]));
    }
  },
};

/** The poison alone is refused, in its own words; what it came with is applied. */
async function publishBetween(
  trial: Trial,
  publisher: Publisher,
  mates: readonly UserId[],
  reason: RefusalReason,
  poison: string,
): Promise<void> {
  const occurredAt = Date.now();
  const [before, after] = mates.map((userId) =>
    JSON.stringify(wireForm({ type: 'heartbeat', status: 'online', userId, occurredAt })),
  );
  const body = Buffer.from(`[${before},${poison},${after}]`);
  const confirmed = await publisher.send(BATCH_KEY, body);
  trial.require(confirmed, 'an array was not confirmed');
  trial.ledger.expectLetter({ reason, body: poison });
  for (const userId of mates) {
    trial.ledger.write({
      ...{ userId, type: 'heartbeat', status: 'online', sessionId: NO_SESSION },
      ...{ earliest: occurredAt, latest: occurredAt, source: 'broker', code: 0 },
      ...{ fate: confirmed ? 'certain' : 'uncertain', sentAt: occurredAt, answeredAt: Date.now() },
    });
  }
}

/** Far beyond anybody whom the run adds. */
const NOBODY = 4_000_000_000;

export const FORGED_USERS: FaultCase = {
  number: 27,
  fault: 'unknown or forged user id',
  did: 'events of every kind of users who are not there, or cannot be',
  short: true,
  run: async (trial) => {
    await trial.load();
    const publisher = await trial.publisher();
    const before = await refusedSoFar(trial);
    const letters = unknownUsers();
    for (const [reason, body] of letters) {
      const { type } = JSON.parse(body) as { type: string };
      await publisher.publishRefused(`presence.${type}`, Buffer.from(body), reason);
    }
    await eventually(async () => {
      const counted = (await refusedSoFar(trial)) - before;
      if (counted < letters.length) throw new Error(`${counted} of ${letters.length} are counted.`);
    });
  },
};

function unknownUsers(): Poison[] {
  const at = new Date().toISOString();
  const types = ['activity', 'heartbeat', 'login', 'logout', 'status_set'] as const;
  const event = (type: string, who: object) =>
    JSON.stringify({
      type,
      ...who,
      occurred_at: at,
      ...(type === 'status_set' ? { status: 'away' } : {}),
    });
  const forged = [0, -1, 1.5, '1', 2 ** 53, null, true, [1], { id: 1 }];
  return [
    ...types.map((type): Poison => ['unknown_user', event(type, { user_id: NOBODY })]),
    ...types.map((type): Poison => {
      const who = { issuer: 'https://nobody.example', subject: 'nobody', username: 'nobody' };
      return ['unknown_user', event(type, who)];
    }),
    ...forged.map((id): Poison => ['invalid_event', event('heartbeat', { user_id: id })]),
  ];
}

/** What the workers' metrics say. */
async function refusedSoFar({ system }: Trial): Promise<number> {
  const counts = await Promise.all(
    system.workers.map(async ({ opsUrl }) => {
      const text = await (await fetch(`${opsUrl}/metrics`)).text();
      const lines = text.matchAll(/^presence_events_refused_total\{[^}]*\} (\d+)$/gm);
      return [...lines].reduce((sum, [, count]) => sum + Number(count), 0);
    }),
  );
  return counts.reduce((sum, count) => sum + count, 0);
}
