import { encodeCursor, PostgresPresenceStore } from '@presence/adapters/postgres';
import {
  applyEvent,
  InvalidCursor,
  NEVER_SEEN,
  type Presence,
  type PresenceBatch,
  type PresenceEvent,
  type PresencePolicy,
  type PresenceReader,
  type PresenceStore,
  type Progress,
  type RefusedEvent,
  RowRefused,
  RowsLocked,
  type StatusChange,
  type StatusStep,
  stepsBetween,
  Unavailable,
  type UserId,
  visibleStatus,
} from '@presence/domain';
import { expect } from 'chai';
import fc from 'fast-check';
import type pg from 'pg';
import { anyDelivery, batchOf, EPOCH, USERS } from './event-logs.js';
import { addUsers, foldRows, readCounts, readRows, setAsOf } from './presence-rows.js';

export interface StoreUnderTest {
  readonly pool: pg.Pool;
  readonly store: PresenceStore;
  readonly reader: PresenceReader;
  /** Whether the database serves several connections at once. */
  readonly concurrent: boolean;
}

export const POLICY: PresencePolicy = {
  offlineAfter: 110_000,
  rememberSessions: 86_400_000,
  accessTokenTtl: 900_000,
};

const THIRD_USER = `
  INSERT INTO users (id, issuer, subject, username, role) VALUES (3, 'presence', '3', 'user3', 'user');
  INSERT INTO user_presence (user_id) VALUES (3)`;

const PROGRESS: Progress = {
  ...{ publisher: '00000000-0000-4000-8000-000000000001', kind: 'app', last: false },
  ...{ since: 0, from: 0, through: 1 },
};

function event(
  userId: UserId,
  occurredAt: number,
  given: Partial<PresenceEvent> = {},
): PresenceEvent {
  return { type: 'heartbeat', userId, occurredAt, status: 'online', sessionId: '', ...given };
}

async function expectCounted(pool: pg.Pool): Promise<void> {
  const { rows, noted, online, notedOnline } = await readCounts(pool);
  expect(noted).to.deep.equal(rows);
  expect(notedOnline).to.deep.equal(online);
}

/** What every PresenceStore has to keep to, and the PresenceReader beside it. */
export function itIsAPresenceStore(open: () => Promise<StoreUnderTest>, runs: number): void {
  let under: StoreUnderTest;

  before(async () => {
    under = await open();
  });

  beforeEach(async () => {
    await addUsers(under.pool, USERS);
    await setAsOf(under.pool, EPOCH);
  });

  afterEach(() => expectCounted(under.pool));

  it('ends in the same rows whatever the order, repetition and split of the events', async function () {
    this.timeout(60_000);
    await fc.assert(
      fc.asyncProperty(anyDelivery, async ({ events, batches }) => {
        await addUsers(under.pool, USERS);
        for (const batch of batches) await under.store.apply(batchOf(batch));
        expect(await readRows(under.pool)).to.deep.equal(foldRows(events, USERS));
        await expectCounted(under.pool);
      }),
      { numRuns: runs },
    );
  });

  it('ends in the same rows when batches are written at the same time', async function () {
    if (!under.concurrent) this.timeout(60_000);
    this.timeout(60_000);
    await fc.assert(
      fc.asyncProperty(anyDelivery, async ({ events, batches }) => {
        await addUsers(under.pool, USERS);
        await Promise.all(batches.map((batch) => appliedOnceFree(under.store, batchOf(batch))));
        expect(await readRows(under.pool)).to.deep.equal(foldRows(events, USERS));
        await expectCounted(under.pool);
      }),
      { numRuns: runs },
    );
  });

  it('announces each step between committed rows, expiry included, and nothing else', async function () {
    this.timeout(60_000);
    const moves = fc.array(fc.tuple(anyDelivery, fc.integer({ min: -3, max: 3 })), {
      minLength: 1,
      maxLength: 3,
    });
    await fc.assert(
      fc.asyncProperty(moves, async (deliveries) => {
        await addUsers(under.pool, USERS);
        const model = new Model();
        for (const [{ batches }, shift] of deliveries) {
          await setAsOf(under.pool, EPOCH + POLICY.offlineAfter + shift);
          for (const batch of batches) {
            await under.store.apply(batchOf(batch));
            model.apply(batchOf(batch).events, batch, EPOCH + POLICY.offlineAfter + shift);
          }
        }
        expect(await announced(under.pool)).to.deep.equal(model.steps);
      }),
      { numRuns: runs },
    );
  });

  it('leaves the room of a row to those that it will be replaced by', async () => {
    const { pool, store } = under;
    const sessionId = '00000000-0000-4000-8000-000000000001';
    const events = [event(1, EPOCH, { sessionId })];
    await store.apply({ events, ended: [], progress: [] });
    const { rows } = await pool.query<{ size: number }>(
      `SELECT pg_column_size(p.*) AS size FROM user_presence p WHERE user_id IN (1, 2)
        ORDER BY user_id`,
    );
    expect(rows[0]!.size).to.be.below(0.75 * rows[1]!.size);
  });

  it('takes sessions of any name, and knows them again when they end', async () => {
    const names = ['"', '\\', '\\"', '{}', '{"a","b"}', 'NULL', ',', ' a ', "'", '😀', '\u0001\n'];
    for (const [at, sessionId] of names.entries()) {
      const beat = event(1, EPOCH + at, { sessionId });
      const other = event(2, EPOCH + at, { sessionId: names.at(at - 1)! });
      const late = event(1, EPOCH - 1, { type: 'logout', status: 'offline', sessionId });
      await under.store.apply(batchOf([beat, other]));
      expect((await readRows(under.pool)).get(1)).to.include({ sessionId, status: 'online' });
      await under.store.apply(batchOf([late]));
      const rows = await readRows(under.pool);
      expect(rows.get(1), sessionId).to.include({ sessionId, status: 'offline' });
    }
  });

  it('shows a user as declared until silence has lasted longer than allowed, to the millisecond', async () => {
    await under.store.apply(batchOf([event(1, EPOCH), event(2, EPOCH, { status: 'away' })]));
    for (const [asOf, first, second] of [
      [EPOCH + POLICY.offlineAfter - 1, 'online', 'away'],
      [EPOCH + POLICY.offlineAfter, 'online', 'away'],
      [EPOCH + POLICY.offlineAfter + 1, 'offline', 'offline'],
    ] as const) {
      await setAsOf(under.pool, asOf);
      const { asOf: read, value } = await under.reader.users([1, 2]);
      expect(read).to.equal(asOf);
      expect(value.map(({ status }) => status)).to.have.members([first, second]);
      const { value: statistics } = await under.reader.statistics();
      const shown = first === 'online' ? 1 : 0;
      expect(statistics).to.deep.equal({
        total: 3,
        online: shown,
        away: shown,
        offline: 3 - 2 * shown,
      });
      const { value: online } = await under.reader.online({ page: 1, perPage: 10 });
      expect([online.totalCount, online.items.length]).to.deep.equal([shown, shown]);
      const { value: offline } = await under.reader.list(
        { status: 'offline' },
        { page: 1, perPage: 10 },
      );
      expect(offline.items.map(({ id }) => id)).to.deep.equal(shown ? [3] : [1, 2, 3]);
      expect(offline.totalCount).to.equal(3 - 2 * shown);
    }
  });

  it('sweeps silence into the rows without touching last_seen, and announces it once', async () => {
    await under.store.apply(batchOf([event(1, EPOCH), event(2, EPOCH + 5)]));
    await setAsOf(under.pool, EPOCH + POLICY.offlineAfter + 1);
    expect(await under.store.sweep(100, 0)).to.equal(1);
    expect(await under.store.sweep(100, 0)).to.equal(0);
    expect((await readRows(under.pool)).get(1)?.lastSeen).to.equal(EPOCH);
    const expired = (await announced(under.pool)).filter(({ cause }) => cause === 'expired');
    const at = EPOCH + POLICY.offlineAfter;
    expect(expired).to.deep.equal([
      { userId: 1, from: 'online', to: 'offline', at, lastSeen: EPOCH, cause: 'expired' },
    ]);
  });

  it('tells which users do not exist, and writes the others', async () => {
    const { unknown } = await under.store.apply(batchOf([event(1, EPOCH), event(99, EPOCH)]));
    expect([...unknown]).to.deep.equal([99]);
    expect((await readRows(under.pool)).get(1)?.lastSeen).to.equal(EPOCH);
    expect((await readRows(under.pool)).has(99)).to.equal(false);
  });

  it('tells of one who is added while it writes, and whom it does not write', async () => {
    if (!under.concurrent) return;
    await under.pool.query('DELETE FROM users WHERE id = 3');
    const client = await under.pool.connect();
    const query = client.query.bind(client) as (config: pg.QueryConfig) => Promise<unknown>;
    const late = async (config: pg.QueryConfig) => {
      const answer = await query(config);
      if (config.name === 'presence-write') await under.pool.query(THIRD_USER);
      return answer;
    };
    Object.assign(client, { query: late });
    const pool = { connect: async () => client } as unknown as pg.Pool;
    try {
      const batch = batchOf([event(1, EPOCH), event(3, EPOCH)]);
      const { unknown } = await new PostgresPresenceStore(pool, POLICY).apply(batch);
      expect([...unknown]).to.deep.equal([3]);
    } finally {
      Reflect.deleteProperty(client, 'query');
    }
    expect((await readRows(under.pool)).get(3)?.lastSeen).to.equal(null);
  });

  it('does not take an event that is older than the row for one about an unknown user', async () => {
    await under.store.apply(batchOf([event(1, EPOCH)]));
    const { unknown, announced } = await under.store.apply(batchOf([event(1, EPOCH - 1)]));
    expect([unknown.size, announced]).to.deep.equal([0, false]);
  });

  it('keeps count of who is online and away, many times over', async () => {
    for (let turn = 0; turn < 40; turn++) {
      const status = turn % 3 === 0 ? 'away' : 'online';
      await under.store.apply(batchOf([event(1 + (turn % 4), EPOCH + turn, { status })]));
    }
    await under.store.foldCounts();
    await expectCounted(under.pool);
    expect((await readCounts(under.pool)).notes).to.equal(1);
    await under.store.foldCounts();
    await expectCounted(under.pool);
  });

  it('tells what the rows of those awaited say once it is committed, written or not', async () => {
    await under.store.apply(batchOf([event(1, EPOCH, { status: 'away' }), event(2, EPOCH)]));
    const ended = event(2, EPOCH + 2, { type: 'logout', status: 'offline' });
    const late = [event(1, EPOCH - 1), ended];
    const { current } = await under.store.apply({ ...batchOf(late), awaited: [1, 2, 3, 99] });
    expect(Object.fromEntries(current)).to.deep.equal({
      1: { status: 'away', lastSeen: EPOCH },
      2: { status: 'offline', lastSeen: EPOCH + 2 },
      3: { status: 'offline', lastSeen: null },
    });
  });

  it('tells whether somebody shows something else now', async () => {
    const shows = async (at: number) =>
      (await under.store.apply(batchOf([event(1, at)]))).announced;
    expect([await shows(EPOCH), await shows(EPOCH + 1)]).to.deep.equal([true, false]);
    expect((await under.store.apply(batchOf([]))).announced).to.equal(false);
  });

  it('tells which rows are locked by somebody else, and has written nothing', async function () {
    this.timeout(10_000);
    if (!under.concurrent) return;
    const other = await under.pool.connect();
    try {
      await other.query('BEGIN');
      await other.query('SELECT FROM user_presence WHERE user_id = 2 FOR UPDATE');
      const failure = await under.store.apply(batchOf([event(1, EPOCH), event(2, EPOCH)])).then(
        () => undefined,
        (error: unknown) => error,
      );
      expect(failure).to.be.instanceOf(RowsLocked);
      expect((failure as RowsLocked).userIds).to.deep.equal([2]);
      expect([...(await under.store.locked([1, 2, 99]))]).to.deep.equal([2]);
      expect((await readRows(under.pool)).get(1)?.lastSeen).to.equal(null);
    } finally {
      await other.query('ROLLBACK');
      other.release();
    }
  });

  it('ends in the same rows where events were deferred, and others came in between', async function () {
    this.timeout(60_000);
    const deliveries = fc.tuple(anyDelivery, fc.infiniteStream(fc.constantFrom(0, 1, 2)));
    await fc.assert(
      fc.asyncProperty(deliveries, async ([{ events, batches }, fates]) => {
        await addUsers(under.pool, USERS);
        for (const batch of batches) {
          const deferred = fates.next().value === 0 ? batch : [];
          await under.store.apply({ ...batchOf(deferred.length > 0 ? [] : batch), deferred });
          if (fates.next().value === 0) await under.store.applyDeferred();
        }
        await under.store.applyDeferred();
        expect(await readRows(under.pool)).to.deep.equal(foldRows(events, USERS));
      }),
      { numRuns: runs },
    );
  });

  it('joins what was deferred as its rows come free, whoever else is locked', async function () {
    this.timeout(10_000);
    if (!under.concurrent) return;
    const deferred = [event(1, EPOCH), event(2, EPOCH), event(2, EPOCH + 1), event(99, EPOCH)];
    await under.store.apply({ ...batchOf([]), deferred });
    const other = await under.pool.connect();
    try {
      await other.query('BEGIN');
      await other.query('SELECT FROM user_presence WHERE user_id = 2 FOR UPDATE');
      const begun = performance.now();
      expect(await under.store.applyDeferred()).to.equal(2);
      expect(performance.now() - begun, 'what is locked is not waited for').to.be.below(900);
      expect((await readRows(under.pool)).get(1)?.lastSeen).to.equal(EPOCH);
      expect((await readRows(under.pool)).get(2)?.lastSeen).to.equal(null);
    } finally {
      await other.query('ROLLBACK');
      other.release();
    }
    const both = await Promise.all([under.store.applyDeferred(), under.store.applyDeferred()]);
    expect(both[0] + both[1]).to.equal(2);
    expect((await readRows(under.pool)).get(2)?.lastSeen).to.equal(EPOCH + 1);
  });

  it('joins all that was deferred of whoever is free, however many are locked before them', async function () {
    this.timeout(20_000);
    const [locked, free] = [1_100, 150];
    await addUsers(under.pool, locked + free);
    const ids = Array.from({ length: locked + free }, (_, at) => at + 1);
    const often = Array.from({ length: 2_500 }, (_, at) => event(locked + 1, EPOCH + at));
    const deferred = [...ids.map((userId) => event(userId, EPOCH)), ...often];
    await under.store.apply({ ...batchOf([]), deferred });
    if (under.concurrent) {
      const other = await under.pool.connect();
      try {
        await other.query('BEGIN');
        await other.query('SELECT FROM user_presence WHERE user_id <= $1 FOR UPDATE', [locked]);
        expect(await under.store.applyDeferred()).to.equal(free + often.length);
      } finally {
        await other.query('ROLLBACK');
        other.release();
      }
      expect(await under.store.applyDeferred()).to.equal(locked);
    } else {
      expect(await under.store.applyDeferred()).to.equal(deferred.length);
    }
    const rows = await readRows(under.pool);
    expect(rows.get(1)?.lastSeen).to.equal(EPOCH);
    expect(rows.get(locked + 1)?.lastSeen).to.equal(EPOCH + often.length - 1);
  });

  it('hands over the one deferred event that the database refuses, until it is buried', async () => {
    const guilty = event(2, EPOCH + 1, { status: 'away', sessionId: 'laptop' });
    await under.pool.query(
      `ALTER TABLE user_presence ADD CONSTRAINT nobody_away CHECK (declared <> 'away')`,
    );
    try {
      const deferred = [event(1, EPOCH), event(2, EPOCH), guilty, event(3, EPOCH)];
      await under.store.apply({ ...batchOf([]), deferred });
      expect(await under.store.applyDeferred()).to.equal(3);
      expect(await under.store.applyDeferred()).to.equal(0);
      const rows = await readRows(under.pool);
      for (const userId of [1, 2, 3]) expect(rows.get(userId)?.lastSeen).to.equal(EPOCH);
    } finally {
      await under.pool.query('ALTER TABLE user_presence DROP CONSTRAINT nobody_away');
    }
    const away = new Unavailable('broker');
    const failure = await under.store
      .buryRefused(10, () => Promise.reject(away))
      .catch((error: unknown) => error);
    expect(failure).to.equal(away);
    const buried: RefusedEvent[] = [];
    const bury = async (refused: readonly RefusedEvent[]) => void buried.push(...refused);
    expect(await under.store.buryRefused(10, bury)).to.deep.equal(['database:23514']);
    expect(await under.store.buryRefused(10, bury)).to.deep.equal([]);
    expect(buried).to.deep.equal([{ event: guilty, reason: 'database:23514' }]);
  });

  it('leaves to others what one is burying', async () => {
    if (!under.concurrent) return;
    const events = [event(1, EPOCH), event(2, EPOCH)];
    await under.store.apply({ ...batchOf([]), deferred: events });
    await under.pool.query(`UPDATE presence_inbox SET refused = '23514' WHERE user_id = 1`);
    let between: readonly string[] = [];
    const reasons = await under.store.buryRefused(1, async () => {
      await under.pool.query(`UPDATE presence_inbox SET refused = '22003' WHERE user_id = 2`);
      between = await under.store.buryRefused(1, async () => {});
    });
    expect([reasons, between]).to.deep.equal([['database:23514'], ['database:22003']]);
  });

  it('tells what the database refuses, be it at the end of a transaction', async () => {
    await under.pool.query('ALTER TABLE presence_outbox ADD CONSTRAINT none CHECK (size < 1)');
    const deferred = [event(2, EPOCH)];
    const batch = { ...batchOf([event(1, EPOCH)]), deferred, progress: [PROGRESS], awaited: [1] };
    const refusal = await under.store.apply(batch).catch((error: unknown) => error);
    await under.pool.query('ALTER TABLE presence_outbox DROP CONSTRAINT none');
    expect(refusal).to.be.instanceOf(RowRefused).and.to.include({ sqlState: '23514' });
    expect((await readRows(under.pool)).get(1)?.lastSeen).to.equal(null);
    expect((await under.store.due()).deferred).to.equal(false);
  });

  it('tells what is due: changes, what is deferred, and who has fallen silent', async () => {
    await under.pool.query('DELETE FROM presence_outbox');
    const nothing = { changes: false, deferred: false, refused: false, silent: false };
    expect(await under.store.due()).to.deep.equal(nothing);
    await under.store.apply({ ...batchOf([]), deferred: [event(1, EPOCH)] });
    expect(await under.store.due()).to.deep.equal({ ...nothing, deferred: true });
    await under.store.applyDeferred();
    expect(await under.store.due()).to.deep.equal({ ...nothing, changes: true });
    await under.pool.query('DELETE FROM presence_outbox');
    await setAsOf(under.pool, EPOCH + POLICY.offlineAfter);
    expect(await under.store.due()).to.deep.equal(nothing);
    await setAsOf(under.pool, EPOCH + POLICY.offlineAfter + 1);
    expect(await under.store.due()).to.deep.equal({ ...nothing, silent: true });
    await under.store.sweep(10, 0);
    expect(await under.store.due()).to.deep.equal({ ...nothing, changes: true });
  });

  it('tells what was deferred from what of it is refused', async () => {
    await under.pool.query('DELETE FROM presence_inbox');
    expect(await under.store.due()).to.include({ deferred: false, refused: false });
    await under.store.apply({ ...batchOf([]), deferred: [event(1, EPOCH)] });
    expect(await under.store.due()).to.include({ deferred: true, refused: false });
    await under.pool.query(`UPDATE presence_inbox SET refused = '23514'`);
    expect(await under.store.due()).to.include({ deferred: false, refused: true });
    await under.pool.query('DELETE FROM presence_inbox');
  });

  it('sweeps in turns, however many ask, and whatever becomes of the clock', async () => {
    await under.store.apply(batchOf([event(1, EPOCH)]));
    await setAsOf(under.pool, EPOCH + POLICY.offlineAfter + 1);
    await under.pool.query('UPDATE presence_sweep SET at = clock_timestamp()');
    expect(await under.store.sweep(10, 60_000)).to.equal(null);
    expect((await readRows(under.pool)).get(1)?.lastSeen).to.equal(EPOCH);
    expect(await announced(under.pool)).to.have.length(1);
    const ahead = `clock_timestamp() + interval '1 minute'`;
    await under.pool.query(`UPDATE presence_sweep SET at = ${ahead}`);
    expect(await under.store.sweep(10, 60_000)).to.equal(1);
    expect(await under.store.sweep(10, 60_000)).to.equal(null);
    await under.pool.query(`UPDATE presence_sweep SET at = '-infinity'`);
  });

  it('lets a fresh heartbeat win against the sweep that was about to write its silence', async () => {
    if (!under.concurrent) return;
    await under.store.apply(batchOf([event(1, EPOCH)]));
    await setAsOf(under.pool, EPOCH + POLICY.offlineAfter + 1);
    await Promise.all([
      under.store.apply(batchOf([event(1, EPOCH + 10)])),
      under.store.sweep(10, 0),
      under.store.sweep(10, 0),
    ]);
    expect((await under.reader.user(1)).value?.status).to.equal('online');
  });

  it('pages through who is online by number and by cursor alike: most recent first, then id', async () => {
    await under.store.apply(batchOf([event(1, EPOCH), event(2, EPOCH + 5), event(3, EPOCH)]));
    const byNumber: UserId[] = [];
    for (let page = 1; page <= 3; page++) {
      const { value } = await under.reader.online({ page, perPage: 1 });
      byNumber.push(...value.items.map(({ id }) => id));
      expect(value.totalCount).to.equal(3);
    }
    const byCursor: UserId[] = [];
    let cursor: string | null = '';
    while (cursor !== null) {
      const { value } = await under.reader.online({ cursor, perPage: 1 });
      byCursor.push(...value.items.map(({ id }) => id));
      cursor = value.nextCursor;
    }
    expect(byNumber).to.deep.equal([2, 1, 3]);
    expect(byCursor).to.deep.equal([2, 1, 3]);
    const past = await under.reader.online({ page: 9, perPage: 1 });
    expect([past.value.items.length, past.value.totalCount]).to.deep.equal([0, 3]);
  });

  const [year1, year9999] = [-62_135_596_800_000, 253_402_300_799_999];
  for (const place of [
    [year1, 1],
    [year9999 + 1, 1],
    [9e15, 1],
    [EPOCH],
    ['1', 1],
    [0.5, 1],
    null,
  ]) {
    it(`takes ${JSON.stringify(place)} for no place among who is online`, async () => {
      const cursor = Buffer.from(JSON.stringify(place)).toString('base64url');
      const asked = under.reader.online({ cursor, perPage: 1 });
      expect(await asked.catch((error: unknown) => error)).to.be.instanceOf(InvalidCursor);
    });
  }

  it('goes on from any other place among who is online, be nobody there', async () => {
    for (const at of [0, year9999]) {
      const cursor = encodeCursor([at, Number.MAX_SAFE_INTEGER]);
      expect((await under.reader.online({ cursor, perPage: 1 })).value.items).to.deep.equal([]);
    }
  });

  it('takes a search for literal text, whatever its case', async () => {
    await under.pool.query(`UPDATE users SET username = '100%_Sure\\' WHERE id = 2`);
    const search = async (text: string) =>
      (await under.reader.list({ search: text }, { page: 1, perPage: 10 })).value.items.map(
        ({ id }) => id,
      );
    expect(await search('%_sURE\\')).to.deep.equal([2]);
    expect(await search('_')).to.deep.equal([2]);
    expect(await search('USER3@EXAMPLE')).to.deep.equal([3]);
    expect(await search('nobody')).to.deep.equal([]);
  });
}

type UserStep = StatusStep & { readonly userId: UserId };

async function announced(pool: pg.Pool): Promise<UserStep[]> {
  const { rows } = await pool.query<StatusChange>(
    `SELECT user_id AS "userId", from_status AS "from", to_status AS "to", at,
       last_seen AS "lastSeen", cause
     FROM presence_changes ORDER BY user_id, version`,
  );
  return rows;
}

/** What the rules ask to be announced, batch by batch. */
class Model {
  readonly #presence = new Map<UserId, Presence>();
  readonly #shown = new Map<
    UserId,
    { status: 'online' | 'away' | 'offline'; lastSeen: number | null }
  >();
  readonly #steps: UserStep[] = [];

  apply(folded: readonly PresenceEvent[], batch: readonly PresenceEvent[], asOf: number): void {
    for (const { userId, type, occurredAt } of folded) {
      const before = this.#presence.get(userId) ?? NEVER_SEEN;
      const mine = batch.filter((one) => one.userId === userId);
      const after = mine.reduce<Presence>(applyEvent, before);
      const shown = this.#shown.get(userId) ?? { status: 'offline', lastSeen: null };
      this.#presence.set(userId, after);
      if (sameKey(before, after) && sameMask(before, after)) continue;
      const now = { status: visibleStatus(after, asOf, POLICY), lastSeen: after.lastSeen };
      const cause = sameKey(before, after) ? 'logout' : type;
      const steps = stepsBetween(shown, now, { cause, at: occurredAt }, asOf, POLICY);
      this.#steps.push(...steps.map((step) => ({ ...step, userId })));
      this.#shown.set(userId, now);
    }
  }

  get steps(): UserStep[] {
    return this.#steps.toSorted((a, b) => a.userId - b.userId);
  }
}

function sameKey(a: Presence, b: Presence): boolean {
  return (
    a.lastSeen === b.lastSeen &&
    a.explicit === b.explicit &&
    a.status === b.status &&
    a.sessionId === b.sessionId
  );
}

function sameMask(a: Presence, b: Presence): boolean {
  const ended = ({ endedSessions, sessionId, explicit }: Presence) =>
    !explicit && endedSessions.has(sessionId);
  return ended(a) === ended(b);
}

/** On a machine that stands still for a second the others' locks last that long: it is tried again, as the port has it. */
async function appliedOnceFree(store: PresenceStore, batch: PresenceBatch): Promise<void> {
  try {
    await store.apply(batch);
  } catch (error) {
    if (!(error instanceof RowsLocked)) throw error;
    await appliedOnceFree(store, batch);
  }
}
