import { setTimeout as wait } from 'node:timers/promises';
import {
  createPool,
  type Pool,
  PostgresPresenceReader,
  PostgresPresenceStore,
} from '@presence/adapters/postgres';
import {
  declaredPresence,
  isSilent,
  type Presence,
  type PresencePolicy,
  STATUSES,
  type Status,
  type UserPresence,
  visibleStatus,
} from '@presence/domain';
import { expect } from 'chai';
import fc from 'fast-check';
import type { Database } from '../database.js';
import { services } from '../services.js';

/** By hand: LAW_RUNS=10000 npm test -- test/dist/system/law-visibility.test.js */
const RUNS = Number(process.env.LAW_RUNS ?? 300);
const USERS = 9;
const EPOCH = Date.UTC(2024, 0, 15, 10, 30);

/** What a row may be: any event, of any age, its session ended or not, and swept or not yet. */
interface Row {
  /** How much longer than allowed the silence has been, in milliseconds; `null`: never seen. */
  readonly over: number | null;
  readonly explicit: boolean;
  readonly status: Status;
  readonly sessionId: string;
  readonly ended: boolean;
  readonly swept: boolean;
}

const anyRow: fc.Arbitrary<Row> = fc.record({
  over: fc.oneof(
    fc.constantFrom(-1, 0, 1),
    fc.integer({ min: -200_000, max: 200_000 }),
    fc.constant(null),
  ),
  explicit: fc.boolean(),
  status: fc.constantFrom(...STATUSES),
  sessionId: fc.constantFrom('', 'a'),
  ended: fc.boolean(),
  swept: fc.boolean(),
});

const PAGE = { page: 1, perPage: 100 };
const SILENT: Row = {
  ...{ over: 1, explicit: false, status: 'online', sessionId: '' },
  ...{ ended: false, swept: false },
};

const anyMoment = fc.record({
  asOf: fc.integer({ min: EPOCH, max: EPOCH + 1_000_000 }),
  offlineAfter: fc.integer({ min: 200, max: 120_000 }),
  rows: fc.array(anyRow, { minLength: USERS, maxLength: USERS }),
  perPage: fc.integer({ min: 1, max: USERS }),
});

describe('Who is visible', function () {
  this.timeout(600_000);
  let database: Database;
  let pool: Pool;

  before(async () => {
    database = await (await services()).createDatabase();
    pool = createPool({ url: database.url, size: 2, applicationName: 'presence-test' });
    await pool.query(`
      INSERT INTO users (id, issuer, subject, username, role)
        SELECT id, 'presence', id::text, 'user' || id, 'user' FROM generate_series(1, ${USERS}) id;
      INSERT INTO user_presence (user_id) SELECT id FROM users`);
  });

  after(async () => {
    await pool.end();
    await database.drop();
  });

  it('is the same in single reads, lists, filters, counts, statistics and sweep as in the rules, to the millisecond', () =>
    fc.assert(
      fc.asyncProperty(anyMoment, async ({ asOf, offlineAfter, rows, perPage }) => {
        const policy = { offlineAfter, rememberSessions: 86_400_000, accessTokenTtl: 900_000 };
        const presences = rows.map((row) => presenceOf(row, asOf - offlineAfter));
        const visible = presences.map((presence) => visibleStatus(presence, asOf, policy));
        await writeRows(asOf, presences, rows, policy);
        await assertReads({ asOf, visible, presences, perPage, policy });
        await assertSweep({ asOf, visible, presences, rows, policy });
      }),
      { numRuns: RUNS },
    ));

  it('is whoever has a heartbeat that commits while a sweep looks at the row, and the sweep does not wait for it', async () => {
    const policy = { offlineAfter: 1_000, rememberSessions: 86_400_000, accessTokenTtl: 900_000 };
    const rows = Array.from({ length: USERS }, () => SILENT);
    const presences = rows.map((row) => presenceOf(row, EPOCH - policy.offlineAfter));
    await writeRows(EPOCH, presences, rows, policy);
    const heartbeat = await pool.connect();
    try {
      await heartbeat.query('BEGIN');
      await heartbeat.query('UPDATE user_presence SET last_seen = $1 WHERE user_id = 1', [
        iso(EPOCH),
      ]);
      const swept = new PostgresPresenceStore(pool, policy).sweep(100, 0);
      expect(await Promise.race([swept, wait(500)]), 'swept').to.equal(USERS - 1);
    } finally {
      await heartbeat.query('COMMIT');
      heartbeat.release();
    }
    const { value } = await new PostgresPresenceReader(pool, policy).list({}, PAGE);
    const shown = value.items.map(({ status }) => status);
    expect(shown).to.deep.equal(['online', ...rows.slice(1).map(() => 'offline')]);
  });

  /** Rows as they can be: what is swept has been silent for too long. */
  async function writeRows(
    asOf: number,
    presences: readonly Presence[],
    rows: readonly Row[],
    policy: PresencePolicy,
  ): Promise<void> {
    const shown = presences.map((presence, at) =>
      rows[at]!.swept && isSilent(presence.lastSeen, asOf, policy)
        ? 'offline'
        : declaredPresence(presence),
    );
    await pool.query('UPDATE presence_clock SET as_of = $1', [iso(asOf)]);
    await pool.query('DELETE FROM presence_outbox');
    await pool.query(
      `UPDATE user_presence p SET last_seen = r.last_seen, explicit = r.explicit,
         declared = r.declared, session_id = r.session_id, session_ended = r.ended,
         online_status = r.shown
       FROM unnest($1::timestamptz[], $2::boolean[], $3::presence_status[], $4::text[],
         $5::boolean[], $6::presence_status[]) WITH ORDINALITY
         AS r (last_seen, explicit, declared, session_id, ended, shown, id)
       WHERE p.user_id = r.id`,
      [
        presences.map(({ lastSeen }) => (lastSeen === null ? null : iso(lastSeen))),
        presences.map(({ explicit }) => explicit),
        presences.map(({ status }) => status),
        presences.map(({ sessionId }) => sessionId),
        presences.map(({ endedSessions }) => endedSessions.size > 0),
        shown,
      ],
    );
  }

  interface Moment {
    readonly asOf: number;
    /** By user, the first has the id 1. */
    readonly visible: readonly Status[];
    readonly presences: readonly Presence[];
    readonly policy: PresencePolicy;
  }

  async function assertReads({
    asOf,
    visible,
    presences,
    policy,
    perPage,
  }: Moment & { perPage: number }): Promise<void> {
    const reader = new PostgresPresenceReader(pool, policy);
    const store = new PostgresPresenceStore(pool, policy);
    const ids = presences.map((_, at) => at + 1);
    const all = await reader.users(ids);
    expect(all.asOf).to.equal(asOf);
    const read = [...all.value].sort((a, b) => a.id - b.id);
    expect(read.map(({ status }) => status)).to.deep.equal(visible);
    expect(read.map(({ lastSeen }) => lastSeen)).to.deep.equal(
      presences.map(({ lastSeen }) => lastSeen),
    );
    const [first] = read;
    expect((await reader.user(1)).value).to.deep.equal(first);
    const { current } = await store.apply({ events: [], ended: [], progress: [], awaited: ids });
    expect(ids.map((id) => current.get(id)?.status)).to.deep.equal(visible);
    for (const status of [...STATUSES, undefined]) {
      const expected = read.filter((user) => status === undefined || user.status === status);
      const filter = status === undefined ? {} : { status };
      await assertPages(expected, (page) => reader.list(filter, page), perPage);
    }
    const online = read.filter(({ status }) => status === 'online').sort(bySeen);
    await assertPages(online, (page) => reader.online(page), perPage);
    const count = (status: Status) => visible.filter((one) => one === status).length;
    expect((await reader.statistics()).value).to.deep.equal({
      total: USERS,
      online: count('online'),
      away: count('away'),
      offline: count('offline'),
    });
  }

  type Pages = PostgresPresenceReader['online'];

  /** By number and by cursor, each page and the count. */
  async function assertPages(
    expected: readonly UserPresence[],
    pages: Pages,
    perPage: number,
  ): Promise<void> {
    let cursor: string | null = '';
    for (let from = 0; from === 0 || from < expected.length; from += perPage) {
      const wanted = expected.slice(from, from + perPage);
      const numbered = (await pages({ perPage, page: from / perPage + 1 })).value;
      expect(numbered.items).to.deep.equal(wanted);
      expect(numbered.totalCount).to.equal(expected.length);
      const { value } = await pages({ perPage, cursor: cursor! });
      expect(value.items).to.deep.equal(wanted);
      cursor = value.nextCursor;
    }
    expect(cursor).to.equal(null);
  }

  async function assertSweep({
    visible,
    presences,
    rows,
    policy,
    asOf,
  }: Moment & { rows: readonly Row[] }): Promise<void> {
    const store = new PostgresPresenceStore(pool, policy);
    const due = presences.filter(
      (presence, at) =>
        !rows[at]!.swept &&
        isSilent(presence.lastSeen, asOf, policy) &&
        declaredPresence(presence) !== 'offline',
    );
    expect(await store.sweep(100, 0)).to.equal(due.length);
    expect(await store.sweep(100, 0)).to.equal(0);
    const { rows: written } = await pool.query<{ status: Status; lastSeen: number | null }>(
      `SELECT online_status AS status, last_seen AS "lastSeen" FROM user_presence ORDER BY user_id`,
    );
    expect(written.map(({ status }) => status)).to.deep.equal(visible);
    expect(written.map(({ lastSeen }) => lastSeen)).to.deep.equal(
      presences.map(({ lastSeen }) => lastSeen),
    );
    const { rows: announced } = await pool.query<{ at: number; to: Status; cause: string }>(
      'SELECT at, to_status AS "to", cause FROM presence_changes',
    );
    const at = due.map(({ lastSeen }) => lastSeen! + policy.offlineAfter);
    expect(announced.map((change) => change.at).sort()).to.deep.equal(at.sort());
    for (const { to, cause } of announced)
      expect([to, cause]).to.deep.equal(['offline', 'expired']);
  }
});

/** @param edge the last moment at which somebody may have been seen and still be visible */
function presenceOf({ over, explicit, status, sessionId, ended }: Row, edge: number): Presence {
  if (over === null) {
    const nothing = { lastSeen: null, explicit: false, status: 'offline', sessionId: '' } as const;
    return { ...nothing, endedSessions: new Set() };
  }
  const lastSeen = edge - over;
  const endedSessions = new Set(ended && sessionId !== '' ? [sessionId] : []);
  return { lastSeen, explicit, status, sessionId, endedSessions };
}

function bySeen(a: UserPresence, b: UserPresence): number {
  return b.lastSeen! - a.lastSeen! || a.id - b.id;
}

function iso(at: number): string {
  return new Date(at).toISOString();
}
