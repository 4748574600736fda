import { createHash, randomUUID } from 'node:crypto';
import {
  createPool,
  PostgresPresenceStore,
  PostgresSessionStore,
  type SessionPolicy,
} from '@presence/adapters/postgres';
import {
  type RotationResult,
  type SessionEnd,
  type SessionId,
  Unavailable,
  UnknownUser,
  type UserId,
} from '@presence/domain';
import { expect } from 'chai';
import type pg from 'pg';
import { onEachDatabase } from './each-database.js';
import { addUsers, setAsOf } from './presence-rows.js';

const POLICY: SessionPolicy = {
  offlineAfter: 110_000,
  rememberSessions: 2_592_000_000,
  accessTokenTtl: 900_000,
  refreshReuseGrace: 10_000,
};
const MINUTE = 60_000;
const DAY = 86_400_000;
const NOW = Date.now();

function hashOf(token: string): Uint8Array {
  return createHash('sha256').update(token).digest();
}

onEachDatabase('PostgresSessionStore', (database) => {
  let pool: pg.Pool;
  let sessions: PostgresSessionStore;

  beforeEach(async () => {
    pool = database.pool();
    sessions = new PostgresSessionStore(pool, POLICY);
    await addUsers(pool, 3);
    await setAsOf(pool, NOW);
  });

  function open(token: string, sessionId: SessionId = 's', userId: UserId = 1, at = NOW) {
    const expiresAt = at + 30 * DAY;
    return sessions.open({ userId, sessionId, refreshHash: hashOf(token), expiresAt, at });
  }

  function rotate(token: string, replacement = 'next', at = NOW + MINUTE): Promise<RotationResult> {
    const expiresAt = at + 30 * DAY;
    return sessions.rotate({
      presented: hashOf(token),
      replacement: hashOf(replacement),
      expiresAt,
      at,
    });
  }

  async function outcome(...of: Parameters<typeof rotate>): Promise<RotationResult['outcome']> {
    return (await rotate(...of)).outcome;
  }

  function end(sessionId: SessionId, at = NOW + MINUTE, tokensUntil = NOW + 15 * MINUTE) {
    return sessions.end({ userId: 1, sessionId, at, tokensUntil });
  }

  async function row(userId: UserId = 1) {
    const { rows } = await pool.query(
      `SELECT online_status AS status, last_seen AS "lastSeen" FROM user_presence
       WHERE user_id = $1`,
      [userId],
    );
    return rows[0];
  }

  async function changes(): Promise<string[]> {
    const { rows } = await pool.query('SELECT cause FROM presence_changes ORDER BY version');
    return rows.map(({ cause }) => cause);
  }

  async function refused(): Promise<SessionEnd[]> {
    return (await sessions.endedSince(null)).ended;
  }

  describe('opens a session', () => {
    it('and its user is online, in one transaction', async () => {
      const committed = { presence: { status: 'online', lastSeen: NOW }, pending: false };
      expect(await open('first')).to.deep.equal(committed);
      expect(await row()).to.deep.equal({ status: 'online', lastSeen: NOW });
      expect(await changes()).to.deep.equal(['login']);
      expect(await sessions.ownerOf(hashOf('first'))).to.deep.equal({ userId: 1, sessionId: 's' });
    });

    it('or neither, where the user has been removed', async () => {
      const error = await open('first', 's', 99).catch((reason: unknown) => reason);
      expect(error).to.be.instanceOf(UnknownUser).with.property('userId', 99);
      expect(await sessions.ownerOf(hashOf('first'))).to.equal(null);
    });

    it('and says what the database says where something later is known', async () => {
      await open('later', 'other', 1, NOW + MINUTE);
      await end('other', NOW + 2 * MINUTE);
      const { presence } = await open('first');
      expect(presence).to.deep.equal({ status: 'offline', lastSeen: NOW + 2 * MINUTE });
    });
  });

  describe('rotates refresh tokens', () => {
    it('each to the next, of the same session', async () => {
      await open('1');
      const rotated = { outcome: 'rotated', userId: 1, sessionId: 's' };
      expect(await rotate('1', '2')).to.deep.equal(rotated);
      expect(await rotate('2', '3')).to.deep.equal(rotated);
      expect(await sessions.ownerOf(hashOf('1'))).to.deep.equal({ userId: 1, sessionId: 's' });
    });

    it('without that being activity', async () => {
      await open('1');
      await rotate('1', '2');
      expect(await row()).to.deep.equal({ status: 'online', lastSeen: NOW });
    });

    it('but none that was never issued, or has expired', async () => {
      await open('1');
      expect(await outcome('0')).to.equal('invalid');
      expect(await outcome('1', '2', NOW + 30 * DAY)).to.equal('invalid');
      expect(await outcome('1', '2', NOW + 30 * DAY - 1)).to.equal('rotated');
    });

    it('and gives the directly preceding one a fresh pair while the grace lasts', async () => {
      await open('1');
      await rotate('1', '2', NOW);
      expect(await outcome('1', '2b', NOW + 9_999)).to.equal('rotated');
      expect(await outcome('2', '3', NOW + 9_999)).to.equal('rotated');
    });

    it('and ends the session where a spent one comes back later', async () => {
      await open('1');
      await rotate('1', '2', NOW);
      const reused = { outcome: 'reused', userId: 1, sessionId: 's' };
      expect(await rotate('1', '2b', NOW + 10_000)).to.deep.equal(reused);
      expect(await outcome('2', '3', NOW + 10_000)).to.equal('invalid');
      expect(await outcome('2b', '3', NOW + 10_000)).to.equal('invalid');
      expect(await row()).to.deep.equal({ status: 'offline', lastSeen: NOW + 10_000 });
      expect(await refused()).to.have.length(1);
    });

    it('and ends the session where an older one comes back, however soon', async () => {
      await open('1');
      await rotate('1', '2', NOW);
      await rotate('2', '3', NOW);
      expect(await outcome('1', 'x', NOW)).to.equal('reused');
      expect(await outcome('3', 'y', NOW)).to.equal('invalid');
    });

    it('and notices when two hold replacements of the same token', async () => {
      await open('1');
      await rotate('1', '2', NOW);
      await rotate('1', '2 of a thief', NOW);
      expect(await outcome('2 of a thief', '3', NOW + MINUTE)).to.equal('rotated');
      expect(await outcome('2', '3b', NOW + 2 * MINUTE)).to.equal('reused');
      expect(await outcome('3', '4', NOW + 2 * MINUTE)).to.equal('invalid');
    });

    it('and knows no grace where none is configured', async () => {
      sessions = new PostgresSessionStore(pool, { ...POLICY, refreshReuseGrace: 0 });
      await open('1');
      await rotate('1', '2', NOW);
      expect(await outcome('1', '2b', NOW)).to.equal('reused');
    });

    it('one at a time, however many come at once', async () => {
      await open('1');
      const repeats = Array.from({ length: 10 }, (_, n) => outcome('1', `2.${n}`, NOW));
      expect(new Set(await Promise.all(repeats))).to.deep.equal(new Set(['rotated']));
      const { rows } = await pool.query('SELECT generation FROM login_sessions');
      expect(rows).to.deep.equal([{ generation: 1 }]);
    });

    it('never after the session has ended, though both come at once', async () => {
      for (let n = 0; n < 10; n++) {
        await open(`first of ${n}`, `session ${n}`);
        const [{ outcome: rotated }] = await Promise.all([
          rotate(`first of ${n}`, `second of ${n}`),
          end(`session ${n}`),
        ]);
        expect(rotated).to.be.oneOf(['rotated', 'invalid']);
        expect(await outcome(`second of ${n}`, 'x')).to.equal('invalid');
      }
    });

    it('and forgets spent ones once they have expired', async () => {
      await open('1');
      await rotate('1', '2', NOW + 20 * DAY);
      await rotate('2', '3', NOW + 40 * DAY);
      expect(await sessions.ownerOf(hashOf('1'))).to.equal(null);
      expect(await sessions.ownerOf(hashOf('2'))).not.to.equal(null);
    });
  });

  describe('ends a session', () => {
    it('and its user is offline, in one transaction', async () => {
      await open('1');
      expect(await end('s')).to.deep.equal({
        presence: { status: 'offline', lastSeen: NOW + MINUTE },
        pending: false,
      });
      expect(await changes()).to.deep.equal(['login', 'logout']);
      expect(await outcome('1')).to.equal('invalid');
    });

    it('for good: nothing late of it sets its user online again', async () => {
      await open('1');
      await end('s');
      const store = new PostgresPresenceStore(pool, POLICY);
      const heartbeat = {
        type: 'heartbeat',
        userId: 1,
        occurredAt: NOW + 2 * MINUTE,
        status: 'online',
        sessionId: 's',
      } as const;
      await store.apply({ events: [heartbeat], ended: [], progress: [] });
      expect(await row()).to.deep.equal({ status: 'offline', lastSeen: NOW + 2 * MINUTE });
    });

    it('and leaves the user’s other sessions alone', async () => {
      await open('1');
      await open('other 1', 'other');
      await end('s');
      expect(await outcome('other 1', 'other 2')).to.equal('rotated');
    });

    it('whose refresh tokens still are known as its own', async () => {
      await open('1');
      await end('s');
      expect(await sessions.ownerOf(hashOf('1'))).to.deep.equal({ userId: 1, sessionId: 's' });
    });

    it('of another issuer, which nobody has opened here', async () => {
      const { presence } = await end('session of an identity provider');
      expect(presence.status).to.equal('offline');
      expect(await refused()).to.have.length(1);
    });

    it('twice, with no other effect than moving last_seen', async () => {
      await open('1');
      await end('s');
      await end('s', NOW + 2 * MINUTE);
      expect(await changes()).to.deep.equal(['login', 'logout']);
      expect(await row()).to.deep.equal({ status: 'offline', lastSeen: NOW + 2 * MINUTE });
    });
  });

  describe('tells which sessions’ tokens are to be refused', () => {
    it('at first all of them, then those that have come since', async () => {
      await end('a');
      const first = await sessions.endedSince(null);
      expect(first.ended.map(({ sessionId }) => sessionId)).to.deep.equal(['a']);
      await pool.query(`UPDATE ended_sessions SET ended_at = ended_at - interval '11 s'`);
      await end('b');
      const second = await sessions.endedSince(first.cursor);
      expect(second.ended.map(({ sessionId }) => sessionId)).to.deep.equal(['b']);
    });

    it('until the last of them has expired, a newer one than was shown included', async () => {
      await open('1');
      await end('s', NOW, NOW + MINUTE);
      const [own] = await refused();
      expect(own).to.include({ userId: 1, sessionId: 's' });
      expect(own?.tokensUntil).to.be.at.least(Date.now() + POLICY.accessTokenTtl);
      await end('foreign', NOW, NOW + 2 * DAY);
      const foreign = (await refused()).find(({ sessionId }) => sessionId === 'foreign');
      expect(foreign?.tokensUntil).to.equal(NOW + 2 * DAY);
      await pool.query(`UPDATE ended_sessions SET tokens_until = now() - interval '1 ms'`);
      expect(await refused()).to.deep.equal([]);
    });

    it('also where its presence had ended before', async () => {
      const store = new PostgresPresenceStore(pool, POLICY);
      const session = { userId: 1, sessionId: 's' };
      await store.apply({ events: [], ended: [session], progress: [] });
      expect(await refused()).to.deep.equal([]);
      const { cursor } = await sessions.endedSince(null);
      await pool.query(`UPDATE ended_sessions SET ended_at = ended_at - interval '1 hour'`);
      await end('s');
      expect((await sessions.endedSince(cursor)).ended).to.have.length(1);
    });
  });

  describe('ends sessions whose refresh token has expired', () => {
    it('as logouts at the moment of expiry', async () => {
      await open('1');
      expect(await sessions.endExpired(10, NOW + 30 * DAY - 1)).to.equal(0);
      expect(await sessions.endExpired(10, NOW + 31 * DAY)).to.equal(1);
      expect(await row()).to.deep.equal({ status: 'offline', lastSeen: NOW + 30 * DAY });
      expect(await sessions.ownerOf(hashOf('1'))).to.equal(null);
      expect(await sessions.endExpired(10, NOW + 31 * DAY)).to.equal(0);
    });

    it('but not one that was refreshed meanwhile', async () => {
      await open('1');
      await rotate('1', '2', NOW + DAY);
      expect(await sessions.endExpired(10, NOW + 30 * DAY)).to.equal(0);
      expect(await sessions.endExpired(10, NOW + 31 * DAY)).to.equal(1);
    });

    it('a limited number at a time, several of one user included', async () => {
      await open('1', 'a', 1, NOW);
      await open('2', 'b', 1, NOW + 1);
      await open('3', 'c', 2, NOW + 2);
      expect(await sessions.endExpired(2, NOW + 31 * DAY)).to.equal(2);
      expect(await row(1)).to.deep.equal({ status: 'offline', lastSeen: NOW + 1 + 30 * DAY });
      expect((await row(2)).status).to.equal('online');
      expect(await sessions.endExpired(2, NOW + 31 * DAY)).to.equal(1);
      const { rows } = await pool.query('SELECT session_id FROM ended_sessions ORDER BY 1');
      expect(rows.map(({ session_id: id }) => id)).to.deep.equal(['a', 'b', 'c']);
    });

    it('and forgets those that had ended, without another logout', async () => {
      await open('1');
      await end('s');
      expect(await sessions.endExpired(10, NOW + 31 * DAY)).to.equal(1);
      expect((await row()).lastSeen).to.equal(NOW + MINUTE);
    });
  });

  if (!database.concurrent) return;

  describe('where somebody else has locked the user’s row', () => {
    let locker: pg.PoolClient;
    let held: boolean;

    beforeEach(async () => {
      await open('0', 'before', 1, NOW - MINUTE);
      locker = await pool.connect();
      await locker.query('BEGIN');
      await locker.query('SELECT FROM user_presence WHERE user_id = 1 FOR UPDATE');
      held = true;
    });

    afterEach(() => release());

    async function release(): Promise<void> {
      if (!held) return;
      held = false;
      await locker.query('ROLLBACK');
      locker.release();
    }

    function drain(): Promise<number> {
      return new PostgresPresenceStore(pool, POLICY).applyDeferred();
    }

    it('commits a login within seconds, and its effect comes later', async () => {
      const start = Date.now();
      const { presence, pending } = await open('1');
      expect(Date.now() - start).to.be.lessThan(3_000);
      expect(pending).to.equal(true);
      expect(presence).to.deep.equal({ status: 'online', lastSeen: NOW });
      expect((await row()).lastSeen).to.equal(NOW - MINUTE);
      expect(await outcome('1')).to.equal('rotated');
      await release();
      expect(await drain()).to.equal(1);
      expect(await row()).to.deep.equal({ status: 'online', lastSeen: NOW });
    });

    it('commits a logout, whose tokens are refused at once', async () => {
      expect((await end('before')).pending).to.equal(true);
      expect(await refused()).to.have.length(1);
      expect((await row()).status).to.equal('online');
      await release();
      expect(await drain()).to.equal(1);
      expect(await row()).to.deep.equal({ status: 'offline', lastSeen: NOW + MINUTE });
    });

    it('ends a session for reuse, and expired ones, just the same', async () => {
      await open('1', 'other');
      await rotate('1', '2', NOW);
      expect(await outcome('1', '3', NOW + MINUTE)).to.equal('reused');
      expect(await sessions.endExpired(10, NOW + 31 * DAY)).to.equal(2);
      await release();
      expect(await drain()).to.equal(3);
      expect((await row()).status).to.equal('offline');
    });
  });

  it('misses no session that many end at once, while it is asked again and again', async () => {
    const names = Array.from({ length: 60 }, () => randomUUID());
    const seen = new Set<SessionId>();
    let cursor: string | null = null;
    const poll = async () => {
      const answer = await sessions.endedSince(cursor);
      for (const { sessionId } of answer.ended) seen.add(sessionId);
      cursor = answer.cursor;
    };
    const ending = Promise.all(names.map((name) => end(name)));
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
