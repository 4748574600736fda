import {
  type AppliedBatch,
  type Delivery,
  type PresenceBatch,
  RowsLocked,
  type UserId,
} from '@presence/domain';
import { expect } from 'chai';
import { BatchWriter, type BatchWriterParts } from '../dist/batch-writer.js';

/** A question that the test answers. */
interface Asked<Q, A> {
  readonly about: Q;
  readonly answer: (answer: A) => void;
  readonly fail: (error: Error) => void;
}

const APPLIED: AppliedBatch = { unknown: new Set(), announced: false, current: new Map() };
const NOBODY: ReadonlySet<UserId> = new Set();

/** Until whatever needs no answer has come to its end. */
const settled = () => new Promise(setImmediate);

function asking<Q, A>(questions: Asked<Q, A>[]): (about: Q) => Promise<A> {
  return (about) =>
    new Promise((answer, fail) => {
      questions.push({ about, answer, fail });
    });
}

function delivery(...userIds: readonly UserId[]): Delivery {
  const events = userIds.map((user) => {
    const facts = { type: 'heartbeat', occurredAt: 0, status: 'online', sessionId: '' } as const;
    return { ...facts, user };
  });
  const refuse: Delivery['refuse'] = () => {
    throw new Error('Nothing is refused here.');
  };
  return { events, refusals: [], progress: null, urgent: true, refuse };
}

describe('A batch writer with two flushes under way', () => {
  let applies: Asked<PresenceBatch, AppliedBatch>[];
  let looks: Asked<readonly UserId[], ReadonlySet<UserId>>[];
  let resolves: Asked<unknown, (event: Delivery['events'][number]) => UserId>[];
  let writer: BatchWriter;

  const usersOf = ({ about }: Asked<PresenceBatch, AppliedBatch>) =>
    about.events.map(({ userId }) => userId);
  /** Everybody's number is known. */
  const resolve = async () => {
    resolves.at(-1)!.answer(({ user }) => user as UserId);
    await settled();
  };
  const handle = async (...userIds: readonly UserId[]) => {
    const verdict = writer.handle(delivery(...userIds));
    await settled();
    await resolve();
    return { verdict };
  };

  beforeEach(() => {
    [applies, looks, resolves] = [[], [], []];
    const logger = { info: () => {}, warn: () => {}, error: () => {} };
    const told = () => {};
    const parts: BatchWriterParts = {
      store: { apply: asking(applies), locked: asking(looks) },
      users: { resolver: asking(resolves) },
      metrics: {
        ...{ flushed: told, refused: told, swept: told, relayed: told, dropped: told },
        asOfLag: told,
      },
      ...{ logger, now: Date.now, onAnnounced: () => {} },
    };
    writer = new BatchWriter(parts, { maxUsers: 100, maxWait: 60_000, concurrency: 2 });
  });

  it('hands back what the one holds that fails, and settles the other', async () => {
    const one = await handle(1);
    const other = await handle(2);
    expect(applies.map(usersOf)).to.deep.equal([[1], [2]]);
    applies[0]!.fail(new Error('It cannot be written.'));
    expect((await one.verdict).kind).to.equal('requeue');
    applies[1]!.answer(APPLIED);
    expect((await other.verdict).kind).to.equal('settled');
    expect(writer.oldestHeld).to.equal(null);
  });

  it('begins no third, and then takes all that has come meanwhile', async () => {
    await handle(1);
    await handle(2);
    const rest = [3, 4].map((userId) => writer.handle(delivery(userId)));
    await settled();
    expect(resolves).to.have.length(2);
    applies[1]!.answer(APPLIED);
    await settled();
    await resolve();
    expect(applies.map(usersOf)).to.deep.equal([[1], [2], [3, 4]]);
    applies[2]!.answer(APPLIED);
    for (const verdict of rest) expect((await verdict).kind).to.equal('settled');
  });

  it('hands back both, and begins nothing more of what it has handed back', async () => {
    const verdicts = [1, 2].map((userId) => writer.handle(delivery(userId)));
    await settled();
    expect(resolves, 'the second waits for its turn').to.have.length(1);
    writer.handBack();
    for (const verdict of verdicts) expect((await verdict).kind).to.equal('requeue');
    const next = await handle(3);
    expect(resolves, 'does not wait for that one').to.have.length(2);
    resolves[0]!.answer(({ user }) => user as UserId);
    await settled();
    expect(resolves).to.have.length(2);
    expect(applies.map(usersOf)).to.deep.equal([[3]]);
    applies[0]!.answer(APPLIED);
    expect((await next.verdict).kind).to.equal('settled');
  });

  it('looks at a row that was locked at the last look, and no more once it was free', async () => {
    await handle(1);
    applies[0]!.fail(new RowsLocked([1]));
    await settled();
    applies[1]!.answer(APPLIED);
    await settled();

    await handle(1);
    looks[0]!.answer(new Set([1]));
    await settled();
    await handle(1);
    looks[1]!.answer(NOBODY);
    await settled();
    for (const asked of applies.slice(2)) asked.answer(APPLIED);
    await settled();
    await handle(1);
    expect(looks).to.have.length(2);
  });

  it('looks at no rows but those of its own users, however many are locked', async () => {
    await handle(1);
    applies[0]!.fail(new RowsLocked([1, 2, 3]));
    await settled();
    applies[1]!.answer(APPLIED);
    await settled();
    await handle(4);
    expect(looks[0]!.about, 'the one that waits').to.deep.equal([1]);
    looks[0]!.answer(new Set([1]));
    await settled();
    applies[2]!.answer(APPLIED);
    await settled();
    await handle(2);
    expect(looks[1]!.about).to.have.members([1, 2]);
  });
});
