import { randomUUID } from 'node:crypto';
import {
  createPool,
  PostgresPresenceStore,
  PostgresSessionStore,
  PostgresUserStore,
} from '@presence/adapters/postgres';
import { type SessionId, Unavailable, UnknownUser } from '@presence/domain';
import { eventually } from '@presence/test-services';
import { expect } from 'chai';
import type pg from 'pg';
import { refuseTokens } from '../dist/postgres/ended-session.js';
import { onEachDatabase } from './each-database.js';
import { setAsOf } from './presence-rows.js';
import { DAY, hashOf, MINUTE, NOW, POLICY, SessionBook } from './session-book.js';

onEachDatabase('PostgresSessionStore', (database) => {
  let pool: pg.Pool;
  let book: SessionBook;

  beforeEach(async () => {
    pool = database.pool();
    book = await SessionBook.begin(pool);
  });

  describe('opens a session', () => {
    it('and its user is online, in one transaction', async () => {
      const committed = { presence: { status: 'online', lastSeen: NOW }, pending: false };
      expect(await book.open('first')).to.deep.equal(committed);
      expect(await book.row()).to.deep.equal({ status: 'online', lastSeen: NOW });
      expect(await book.changes()).to.deep.equal(['login']);
      expect(await book.sessions.ownerOf(hashOf('first'))).to.deep.equal({
        userId: 1,
        sessionId: 's',
      });
    });

    it('or neither, where the user has been removed', async () => {
      const error = await book.open('first', 's', 99).catch((reason: unknown) => reason);
      expect(error).to.be.instanceOf(UnknownUser).with.property('userId', 99);
      expect(await book.sessions.ownerOf(hashOf('first'))).to.equal(null);
    });

    it('or neither, where the password has been changed since it was checked', async () => {
      await pool.query(`UPDATE users SET password_hash = 'another'`);
      const error = await book.open('first').catch((reason: unknown) => reason);
      expect(error).to.be.instanceOf(UnknownUser);
      expect(await book.sessions.ownerOf(hashOf('first'))).to.equal(null);
    });

    it('and its user is online, later than all that is known, whatever the clock says', async () => {
      await book.open('later', 'other', 1, NOW + MINUTE);
      await book.end('other', NOW + 2 * MINUTE);
      const { presence } = await book.open('first');
      expect(presence).to.deep.equal({ status: 'online', lastSeen: NOW + 2 * MINUTE + 1 });
    });
  });

  describe('ends a session', () => {
    it('and its user is offline, in one transaction', async () => {
      await book.open('1');
      expect(await book.end('s')).to.deep.equal({
        presence: { status: 'offline', lastSeen: NOW + MINUTE },
        pending: false,
      });
      expect(await book.changes()).to.deep.equal(['login', 'logout']);
      expect(await book.outcome('1')).to.equal('invalid');
    });

    it('and its user is offline, later than all that is known, whatever the clock says', async () => {
      await book.open('ahead', 's', 1, NOW + 2 * MINUTE);
      const { presence } = await book.end('s', NOW + MINUTE);
      expect(presence).to.deep.equal({ status: 'offline', lastSeen: NOW + 2 * MINUTE + 1 });
      expect(await book.row()).to.deep.equal(presence);
    });

    it('for good: nothing late of it sets its user online again', async () => {
      await book.open('1');
      await book.end('s');
      const store = new PostgresPresenceStore(pool, POLICY);
      const heartbeat = {
        type: 'heartbeat',
        userId: 1,
        occurredAt: NOW + 2 * MINUTE,
        status: 'online',
        sessionId: 's',
      } as const;
      await store.apply({ events: [heartbeat], ended: [], progress: [] });
      expect(await book.row()).to.deep.equal({ status: 'offline', lastSeen: NOW + 2 * MINUTE });
    });

    it('and leaves the user’s other sessions alone', async () => {
      await book.open('1');
      await book.open('other 1', 'other');
      await book.end('s');
      expect(await book.outcome('other 1', 'other 2')).to.equal('rotated');
    });

    it('whose refresh tokens still are known as its own', async () => {
      await book.open('1');
      await book.end('s');
      expect(await book.sessions.ownerOf(hashOf('1'))).to.deep.equal({ userId: 1, sessionId: 's' });
    });

    it('of another issuer, which nobody has opened here', async () => {
      const { presence } = await book.end('session of an identity provider');
      expect(presence.status).to.equal('offline');
      expect(await book.remembered()).to.have.length(1);
    });

    it('twice, with no other effect than moving last_seen', async () => {
      await book.open('1');
      await book.end('s');
      await book.end('s', NOW + 2 * MINUTE);
      expect(await book.changes()).to.deep.equal(['login', 'logout']);
      expect(await book.row()).to.deep.equal({ status: 'offline', lastSeen: NOW + 2 * MINUTE });
    });
  });

  describe('tells which sessions have ended', () => {
    it('at first all of them, then those that have come since', async () => {
      await book.end('a');
      const first = await book.sessions.endedSince(null);
      expect(first.ended.map(({ sessionId }) => sessionId)).to.deep.equal(['a']);
      await pool.query(`UPDATE ended_sessions SET ended_at = ended_at - interval '11 s'`);
      await book.end('b');
      const second = await book.sessions.endedSince(first.cursor);
      expect(second.ended.map(({ sessionId }) => sessionId)).to.deep.equal(['b']);
    });

    it('together with as-of and the database’s clock', async () => {
      // To the millisecond, as the column would round it: `now` is cut.
      await pool.query(`UPDATE presence_clock
        SET as_of = date_trunc('milliseconds', clock_timestamp()) - interval '5 s'`);
      const { asOf, now } = await book.sessions.endedSince(null);
      expect(now - asOf).to.be.within(5_000, 7_000);
    });

    it('until as-of has passed the expiry of their last access token, a newer one than was shown included', async () => {
      await book.open('1');
      await book.end('s', NOW, NOW + MINUTE);
      const [own] = await book.remembered();
      expect(own).to.include({ userId: 1, sessionId: 's', tokensRefused: true });
      expect(own?.until).to.be.at.least(Date.now() + POLICY.accessTokenTtl);
      await book.end('foreign', NOW, NOW + 2 * DAY);
      const foreign = (await book.remembered()).find(({ sessionId }) => sessionId === 'foreign');
      expect(foreign?.until).to.equal(NOW + 2 * DAY);
      await setAsOf(pool, NOW + 2 * DAY - 1);
      expect(await book.remembered()).to.have.length(1);
      await setAsOf(pool, NOW + 2 * DAY);
      expect(await book.remembered()).to.deep.equal([]);
    });

    it('those of presence alone, whose tokens are good, and that their tokens are refused from then on', async () => {
      const store = new PostgresPresenceStore(pool, POLICY);
      const session = { userId: 1, sessionId: 's' };
      await store.apply({ events: [], ended: [session], progress: [] });
      const [alone] = await book.remembered();
      expect(alone).to.include({ ...session, tokensRefused: false });
      expect(alone?.until).to.be.within(Date.now(), Date.now() + POLICY.accessTokenTtl);
      const { cursor } = await book.sessions.endedSince(null);
      await pool.query(`UPDATE ended_sessions SET ended_at = ended_at - interval '1 hour'`);
      await book.end('s');
      const [since] = (await book.sessions.endedSince(cursor)).ended;
      expect(since).to.include({ ...session, tokensRefused: true });
    });
  });

  it('tells of an ended session once, though another server numbered the transaction that ended it', async () => {
    await book.end('s');
    await pool.query(`UPDATE ended_sessions
      SET ended_at = ended_at - interval '1 hour', ended_by = '1000000000'`);
    const { cursor } = await book.sessions.endedSince(null);
    expect((await book.sessions.endedSince(cursor)).ended).to.deep.equal([]);
  });

  describe('ends sessions whose refresh token has expired', () => {
    it('as logouts at the moment of expiry', async () => {
      await book.open('1');
      expect(await book.sessions.endExpired(10, NOW + 30 * DAY - 1)).to.equal(0);
      expect(await book.sessions.endExpired(10, NOW + 31 * DAY)).to.equal(1);
      expect(await book.row()).to.deep.equal({ status: 'offline', lastSeen: NOW + 30 * DAY });
      expect(await book.sessions.ownerOf(hashOf('1'))).to.equal(null);
      expect(await book.sessions.endExpired(10, NOW + 31 * DAY)).to.equal(0);
    });

    it('but not one that was refreshed meanwhile', async () => {
      await book.open('1');
      await book.rotate('1', '2', NOW + DAY);
      expect(await book.sessions.endExpired(10, NOW + 30 * DAY)).to.equal(0);
      expect(await book.sessions.endExpired(10, NOW + 31 * DAY)).to.equal(1);
    });

    it('a limited number at a time, several of one user included', async () => {
      await book.open('1', 'a', 1, NOW);
      await book.open('2', 'b', 1, NOW + 1);
      await book.open('3', 'c', 2, NOW + 2);
      expect(await book.sessions.endExpired(2, NOW + 31 * DAY)).to.equal(2);
      expect(await book.row(1)).to.deep.equal({ status: 'offline', lastSeen: NOW + 1 + 30 * DAY });
      expect((await book.row(2)).status).to.equal('online');
      expect(await book.sessions.endExpired(2, NOW + 31 * DAY)).to.equal(1);
      const { rows } = await pool.query('SELECT session_id FROM ended_sessions ORDER BY 1');
      expect(rows.map(({ session_id: id }) => id)).to.deep.equal(['a', 'b', 'c']);
    });

    it('all but the one whose row the database refuses to change, which is set aside', async () => {
      await book.open('1', 'a', 1, NOW);
      await book.open('2', 'b', 2, NOW);
      await pool.query(`ALTER TABLE user_presence
        ADD CONSTRAINT online CHECK (user_id <> 1 OR declared = 'online')`);
      try {
        expect(await book.sessions.endExpired(10, NOW + 31 * DAY)).to.equal(2);
        const store = new PostgresPresenceStore(pool, POLICY);
        expect(await store.applyDeferred()).to.equal(1);
        expect(await store.buryRefused(10, async () => {})).to.deep.equal(['database:23514']);
        expect((await book.row(2)).status).to.equal('offline');
      } finally {
        await pool.query('ALTER TABLE user_presence DROP CONSTRAINT online');
      }
    });

    it('and forgets those that had ended, without another logout', async () => {
      await book.open('1');
      await book.end('s');
      expect(await book.sessions.endExpired(10, NOW + 31 * DAY)).to.equal(1);
      expect((await book.row()).lastSeen).to.equal(NOW + MINUTE);
    });
  });

  it('forgets ended sessions whose time is over, so many at once', async () => {
    await pool.query(`
      INSERT INTO ended_sessions (user_id, session_id, tokens_until, expires_at)
      SELECT 1, id, now(), now() + (id - 3.5) * interval '1 hour' FROM generate_series(1, 4) id`);
    const store = new PostgresPresenceStore(pool, POLICY);
    const pruned = [await store.prune(2), await store.prune(2), await store.prune(2)];
    expect(pruned).to.deep.equal([2, 1, 0]);
    const { rows } = await pool.query('SELECT session_id FROM ended_sessions');
    expect(rows).to.deep.equal([{ session_id: '4' }]);
  });

  it('forgets none whose tokens are still renewed, though a message ended its presence', async () => {
    const store = new PostgresPresenceStore(pool, POLICY);
    await book.open('1');
    await pool.query(`
      INSERT INTO ended_sessions (user_id, session_id, tokens_until, expires_at)
      VALUES (1, 's', now(), now() - interval '1 hour')`);
    expect(await store.prune(10)).to.equal(0);
    await pool.query('UPDATE login_sessions SET ended_at = now()');
    expect(await store.prune(10)).to.equal(1);
  });

  if (!database.concurrent) return;

  /** Runs `work` while somebody else has done `statement` in a transaction. */
  async function beside(statement: string, work: () => Promise<void>) {
    const other = await pool.connect();
    try {
      await other.query('BEGIN');
      await other.query(statement);
      await work();
    } finally {
      await other.query('ROLLBACK');
      other.release();
    }
  }

  /** Until so many wait for a lock. */
  async function untilWaiting(count: number): Promise<void> {
    await eventually(async () => {
      const { rows } = await pool.query(
        `SELECT FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND datname = current_database()`,
      );
      return rows.length === count;
    });
  }

  it('is unavailable to who only asks where a table is locked', async () => {
    const store = new PostgresPresenceStore(pool, POLICY);
    await beside('LOCK TABLE refresh_tokens, user_presence', async () => {
      for (const ask of [() => book.sessions.ownerOf(hashOf('first')), () => store.locked([1])]) {
        const error = await ask().catch((reason: unknown) => reason);
        expect(error).to.be.instanceOf(Unavailable).with.property('what', 'database');
      }
    });
  });

  describe('tells of an ended session, however long its COMMIT takes', () => {
    const session = { userId: 1, sessionId: 's' };
    let ending: pg.PoolClient;

    beforeEach(async () => {
      ending = await pool.connect();
      await ending.query('BEGIN');
    });
    afterEach(() => ending.release());

    async function refuse(): Promise<void> {
      await refuseTokens(ending, { ...session, at: NOW, tokensUntil: NOW }, MINUTE, POLICY);
      await ending.query(`UPDATE ended_sessions SET ended_at = ended_at - interval '1 hour'`);
    }

    async function expectTold(): Promise<void> {
      const { cursor } = await book.sessions.endedSince(null);
      const meanwhile = await book.sessions.endedSince(cursor);
      await ending.query('COMMIT');
      const { ended } = await book.sessions.endedSince(meanwhile.cursor);
      expect(ended).to.have.length(1);
      expect(ended[0]).to.include({ ...session, tokensRefused: true });
    }

    it('where it was the last transaction to begin', async () => {
      await refuse();
      await expectTold();
    });

    it('where a later one ended before, and its presence had ended already', async () => {
      const store = new PostgresPresenceStore(pool, POLICY);
      await store.apply({ events: [], ended: [session], progress: [] });
      await refuse();
      await pool.query('SELECT pg_current_xact_id()');
      await expectTold();
    });
  });

  describe('where somebody else has locked the user’s row', () => {
    let locker: pg.PoolClient;
    let held: boolean;

    beforeEach(async () => {
      await book.open('0', 'before', 1, NOW - MINUTE);
      await hold();
    });

    afterEach(() => release());

    async function hold(): Promise<void> {
      locker = await pool.connect();
      await locker.query('BEGIN');
      await locker.query('SELECT FROM user_presence WHERE user_id = 1 FOR UPDATE');
      held = true;
    }

    async function release(): Promise<void> {
      if (!held) return;
      held = false;
      await locker.query('ROLLBACK');
      locker.release();
    }

    function drain(): Promise<number> {
      return new PostgresPresenceStore(pool, POLICY).applyDeferred();
    }

    it('leaves no login behind whose password is changed before it is committed', async () => {
      const opening = book.open('1');
      await untilWaiting(1);
      const changing = new PostgresUserStore(pool, 'presence').setPassword('user1', 'another');
      await opening;
      expect(await changing).to.equal(true);
      expect(await book.outcome('1')).to.equal('invalid');
    });

    it('leaves no token good of a login whose user is removed before it is committed', async () => {
      const opening = book.open('1');
      await untilWaiting(1);
      const removing = new PostgresUserStore(pool, 'presence').remove('user1');
      await opening;
      await release();
      expect(await removing).to.equal(true);
      const of = (await book.remembered()).filter(({ tokensRefused }) => tokensRefused);
      expect(of.map(({ sessionId }) => sessionId)).to.include('s');
    });

    it('commits a login within seconds, and its effect comes later', async () => {
      const start = Date.now();
      const { presence, pending } = await book.open('1');
      expect(Date.now() - start).to.be.lessThan(3_000);
      expect(pending).to.equal(true);
      expect(presence).to.deep.equal({ status: 'online', lastSeen: NOW });
      expect((await book.row()).lastSeen).to.equal(NOW - MINUTE);
      expect(await book.outcome('1')).to.equal('rotated');
      await release();
      expect(await drain()).to.equal(1);
      expect(await book.row()).to.deep.equal({ status: 'online', lastSeen: NOW });
    });

    it('commits a logout, whose tokens are refused at once', async () => {
      expect((await book.end('before')).pending).to.equal(true);
      expect(await book.remembered()).to.have.length(1);
      expect((await book.row()).status).to.equal('online');
      await release();
      expect(await drain()).to.equal(1);
      expect(await book.row()).to.deep.equal({ status: 'offline', lastSeen: NOW + MINUTE });
    });

    it('commits a logout later than all that is known, whatever the clock says, and answers so', async () => {
      await release();
      await book.open('ahead', 'ahead', 1, NOW + 2 * MINUTE);
      await hold();
      const offline = { status: 'offline', lastSeen: NOW + 2 * MINUTE + 1 };
      expect(await book.end('before')).to.deep.equal({ presence: offline, pending: true });
      await release();
      expect(await drain()).to.equal(1);
      expect(await book.row()).to.deep.equal(offline);
    });

    it('ends a session for reuse, and expired ones, just the same', async () => {
      await book.open('1', 'other');
      await book.rotate('1', '2', NOW);
      expect(await book.outcome('1', '3', NOW + MINUTE)).to.equal('reused');
      expect(await book.sessions.endExpired(10, NOW + 31 * DAY)).to.equal(2);
      await release();
      expect(await drain()).to.equal(3);
      expect((await book.row()).status).to.equal('offline');
    });
  });

  it('misses no session that many end at once, while it is asked again and again', async () => {
    const names = Array.from({ length: 60 }, () => randomUUID());
    const seen = new Set<SessionId>();
    let cursor: string | null = null;
    const poll = async () => {
      const answer = await book.sessions.endedSince(cursor);
      for (const { sessionId } of answer.ended) seen.add(sessionId);
      cursor = answer.cursor;
    };
    const ending = Promise.all(names.map((name) => book.end(name)));
    let over = false;
    const watch = ending.finally(() => {
      over = true;
    });
    while (!over) await poll();
    await watch;
    await poll();
    expect(seen).to.deep.equal(new Set(names));
  });
});

describe('PostgresSessionStore without a database', () => {
  it('is unavailable', async () => {
    const pool = createPool({ url: 'postgres://127.0.0.1:1/x', size: 1, applicationName: 'test' });
    const sessions = new PostgresSessionStore(pool, POLICY);
    const error = await sessions.endedSince(null).catch((reason: unknown) => reason);
    expect(error).to.be.instanceOf(Unavailable).with.property('what', 'database');
    const ending = { userId: 1, sessionId: 's', at: NOW, tokensUntil: NOW };
    const refusal = await sessions.end(ending).catch((reason: unknown) => reason);
    expect(refusal).to.be.instanceOf(Unavailable);
    await pool.end();
  });
});
