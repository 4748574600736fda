import { Unavailable } from '@presence/domain';
import { eventually } from '@presence/test-services';
import { expect } from 'chai';
import { describeWorker } from './running-worker.js';

describeWorker('A worker, where an event cannot be applied,', (under) => {
  const { start, publish, row, showsOnline, dead } = under;

  /** Has the database refuse updates of such rows, with that SQLSTATE. */
  const forbid = (when: string, state = '23514') =>
    under.pool.query(`
      CREATE OR REPLACE FUNCTION forbid() RETURNS trigger LANGUAGE plpgsql AS
        $$ BEGIN RAISE EXCEPTION USING ERRCODE = '${state}'; END $$;
      CREATE TRIGGER forbid BEFORE UPDATE ON user_presence FOR EACH ROW
        WHEN (${when}) EXECUTE FUNCTION forbid()`);

  it('dead-letters what it cannot apply, in the words in which it came; the rest of its batch commits', async () => {
    await start();
    const ghost = { type: 'heartbeat', user_id: 99, colour: 'red' };
    const stranger = { type: 'heartbeat', issuer: 'idp', subject: 'nobody' };
    publish('batch', [
      { type: 'heartbeat', user_id: 1 },
      ghost,
      stranger,
      { type: 'activity', user_id: 2 },
    ]);
    await showsOnline(1);
    await showsOnline(2);
    await eventually(() => under.broker.dead.length === 2);
    expect(dead()).to.have.deep.members([
      ['unknown_user', ghost],
      ['unknown_user', stranger],
    ]);
    expect(await row(99)).to.equal(undefined);
  });

  it('creates unknown users where it may and they are named', async () => {
    await start({ unknownUsers: 'create' });
    publish('heartbeat', { type: 'heartbeat', user_id: 77, username: 'seven' });
    publish('heartbeat', {
      type: 'heartbeat',
      issuer: 'idp',
      subject: 'new',
      username: 'newcomer',
    });
    publish('heartbeat', { type: 'heartbeat', user_id: 78 });
    await showsOnline(77);
    await eventually(() => under.broker.dead.length === 1);
    const { rows } = await under.pool.query(`
      SELECT username, issuer, online_status FROM users JOIN user_presence ON user_id = id
      WHERE username IN ('seven', 'newcomer') ORDER BY username DESC`);
    expect(rows).to.deep.equal([
      { username: 'seven', issuer: 'presence', online_status: 'online' },
      { username: 'newcomer', issuer: 'idp', online_status: 'online' },
    ]);
  });

  it('finds the one row that the database refuses; its batch-mates commit', async () => {
    await forbid('OLD.user_id = 3');
    await start();
    publish(
      'batch',
      [1, 2, 3, 4].map((user_id) => ({ type: 'heartbeat', user_id })),
    );
    for (const userId of [1, 2, 4]) await showsOnline(userId);
    await eventually(() => under.broker.dead.length === 1);
    expect(dead()).to.deep.equal([['database:23514', { type: 'heartbeat', user_id: 3 }]]);
  });

  it('dead-letters what it deferred and the database refuses, once the queue takes it', async () => {
    const deadLetters = under.broker.deadLetters();
    let asked = 0;
    under.broker.deadLetters = () => ({
      publish: async (refused) => {
        if (++asked === 1) throw new Unavailable('broker');
        return deadLetters.publish(refused);
      },
    });
    await forbid("NEW.declared = 'away'");
    await start();
    const other = await under.pool.connect();
    await other.query('BEGIN');
    await other.query('SELECT FROM user_presence WHERE user_id = 2 FOR UPDATE');
    const occurred_at = new Date().toISOString();
    const guilty = { type: 'heartbeat', user_id: 2, occurred_at, status: 'away', session_id: 's' };
    publish('heartbeat', guilty);
    publish('heartbeat', { type: 'heartbeat', user_id: 1 });
    await showsOnline(1);
    await other.query('ROLLBACK');
    other.release();
    await eventually(() => under.broker.dead.length === 1);
    expect(dead()).to.deep.equal([['database:23514', guilty]]);
    expect(asked).to.equal(2);
    expect(await row(2)).to.deep.equal({ status: 'offline', lastSeen: null });
    const told = () => under.lines.filter((line) => line.includes('had been deferred'));
    await eventually(() => told().length === 1);
    const facts = { userId: 2, type: 'heartbeat', occurredAt: occurred_at };
    expect(JSON.parse(told()[0]!)).to.include(facts);
  });

  for (const state of ['23505', '44000', '54000', 'P0004', 'MY001']) {
    it(`dead-letters the one event that raises ${state}; what else its user did is written`, async () => {
      await forbid("NEW.declared = 'away'", state);
      await start();
      const at = (ago: number) => new Date(Date.now() - ago).toISOString();
      const guilty = { type: 'heartbeat', user_id: 1, status: 'away', occurred_at: at(0) };
      publish('batch', [
        { type: 'heartbeat', user_id: 1, occurred_at: at(2_000) },
        guilty,
        { type: 'activity', user_id: 1, occurred_at: at(1_000) },
        { type: 'heartbeat', user_id: 2 },
      ]);
      await eventually(() => under.broker.dead.length === 1);
      expect(dead()).to.deep.equal([[`database:${state}`, guilty]]);
      expect((await row(1))?.status).to.equal('online');
      expect((await row(2))?.status).to.equal('online');
    });
  }

  it('dead-letters the event of a user whom the database does not take; its batch-mates commit', async () => {
    await under.pool.query('ALTER TABLE users ADD CONSTRAINT polite CHECK (username <> $$rude$$)');
    try {
      await start({ unknownUsers: 'create' });
      const stranger = { type: 'heartbeat', issuer: 'idp', subject: 'new', username: 'rude' };
      const numbered = { type: 'heartbeat', user_id: 77, username: 'rude' };
      const fine = { type: 'heartbeat', user_id: 78, username: 'fine' };
      publish('batch', [{ type: 'heartbeat', user_id: 1 }, stranger, numbered, fine]);
      for (const userId of [1, 78]) await showsOnline(userId);
      await eventually(() => under.broker.dead.length === 2);
      expect(dead()).to.have.deep.members([
        ['database:23514', stranger],
        ['database:23514', numbered],
      ]);
    } finally {
      await under.pool.query('ALTER TABLE users DROP CONSTRAINT polite');
    }
  });
});
