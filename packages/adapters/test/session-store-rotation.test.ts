import { expect } from 'chai';
import type pg from 'pg';
import { onEachDatabase } from './each-database.js';
import { DAY, hashOf, MINUTE, NOW, POLICY, SessionBook } from './session-book.js';

onEachDatabase('PostgresSessionStore rotates refresh tokens', (database) => {
  let pool: pg.Pool;
  let book: SessionBook;

  beforeEach(async () => {
    pool = database.pool();
    book = await SessionBook.begin(pool);
  });

  it('each to the next, of the same session', async () => {
    await book.open('1');
    const rotated = { outcome: 'rotated', userId: 1, sessionId: 's' };
    expect(await book.rotate('1', '2')).to.deep.equal(rotated);
    expect(await book.rotate('2', '3')).to.deep.equal(rotated);
    expect(await book.sessions.ownerOf(hashOf('1'))).to.deep.equal({ userId: 1, sessionId: 's' });
  });

  it('without that being activity', async () => {
    await book.open('1');
    await book.rotate('1', '2');
    expect(await book.row()).to.deep.equal({ status: 'online', lastSeen: NOW });
  });

  it('but none that was never issued, or has expired', async () => {
    await book.open('1');
    expect(await book.outcome('0')).to.equal('invalid');
    expect(await book.outcome('1', '2', NOW + 30 * DAY)).to.equal('invalid');
    expect(await book.outcome('1', '2', NOW + 30 * DAY - 1)).to.equal('rotated');
  });

  it('and gives the directly preceding one a fresh pair while the grace lasts', async () => {
    await book.open('1');
    await book.rotate('1', '2', NOW);
    expect(await book.outcome('1', '2b', NOW + 9_999)).to.equal('rotated');
    expect(await book.outcome('2', '3', NOW + 9_999)).to.equal('rotated');
  });

  it('and ends the session where a spent one comes back later', async () => {
    await book.open('1');
    await book.rotate('1', '2', NOW);
    const reused = { outcome: 'reused', userId: 1, sessionId: 's' };
    expect(await book.rotate('1', '2b', NOW + 10_000)).to.deep.equal(reused);
    expect(await book.outcome('2', '3', NOW + 10_000)).to.equal('invalid');
    expect(await book.outcome('2b', '3', NOW + 10_000)).to.equal('invalid');
    expect(await book.row()).to.deep.equal({ status: 'offline', lastSeen: NOW + 10_000 });
    expect(await book.remembered()).to.have.length(1);
  });

  it('and ends the session where an older one comes back, however soon', async () => {
    await book.open('1');
    await book.rotate('1', '2', NOW);
    await book.rotate('2', '3', NOW);
    expect(await book.outcome('1', 'x', NOW)).to.equal('reused');
    expect(await book.outcome('3', 'y', NOW)).to.equal('invalid');
  });

  it('and notices when two hold replacements of the same token', async () => {
    await book.open('1');
    await book.rotate('1', '2', NOW);
    await book.rotate('1', '2 of a thief', NOW);
    expect(await book.outcome('2 of a thief', '3', NOW + MINUTE)).to.equal('rotated');
    expect(await book.outcome('2', '3b', NOW + 2 * MINUTE)).to.equal('reused');
    expect(await book.outcome('3', '4', NOW + 2 * MINUTE)).to.equal('invalid');
  });

  it('and knows no grace where none is configured', async () => {
    book = new SessionBook(pool, { ...POLICY, refreshReuseGrace: 0 });
    await book.open('1');
    await book.rotate('1', '2', NOW);
    expect(await book.outcome('1', '2b', NOW)).to.equal('reused');
  });

  it('one at a time, however many come at once', async () => {
    await book.open('1');
    const repeats = Array.from({ length: 10 }, (_, n) => book.outcome('1', `2.${n}`, NOW));
    expect(new Set(await Promise.all(repeats))).to.deep.equal(new Set(['rotated']));
    const { rows } = await pool.query('SELECT generation FROM login_sessions');
    expect(rows).to.deep.equal([{ generation: 1 }]);
  });

  it('never after the session has ended, though both come at once', async () => {
    for (let n = 0; n < 10; n++) {
      await book.open(`first of ${n}`, `session ${n}`);
      const [{ outcome: rotated }] = await Promise.all([
        book.rotate(`first of ${n}`, `second of ${n}`),
        book.end(`session ${n}`),
      ]);
      expect(rotated).to.be.oneOf(['rotated', 'invalid']);
      expect(await book.outcome(`second of ${n}`, 'x')).to.equal('invalid');
    }
  });

  it('and forgets spent ones once they have expired', async () => {
    await book.open('1');
    await book.rotate('1', '2', NOW + 20 * DAY);
    await book.rotate('2', '3', NOW + 40 * DAY);
    expect(await book.sessions.ownerOf(hashOf('1'))).to.equal(null);
    expect(await book.sessions.ownerOf(hashOf('2'))).not.to.equal(null);
  });
});
