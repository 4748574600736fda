import { createPool, PostgresChangeOutbox, PostgresUserStore } from '@presence/adapters/postgres';
import {
  type Identity,
  type Profile,
  type StatusChange,
  Unavailable,
  UsernameTaken,
} from '@presence/domain';
import { expect } from 'chai';
import type pg from 'pg';
import { onEachDatabase } from './each-database.js';

const OWN = 'presence';
const IDP = 'https://idp.example.com/';
/** Below it are the ids that subjects name. */
const FIRST_FOREIGN_ID = 2 ** 40;
const PROFILE: Profile = { username: 'zahra', email: 'zahra@example.com', role: 'user' };

onEachDatabase('PostgresUserStore', (database) => {
  let pool: pg.Pool;
  let users: PostgresUserStore;

  beforeEach(async () => {
    pool = database.pool();
    users = new PostgresUserStore(pool, OWN);
    await pool.query('TRUNCATE users, ended_sessions, presence_inbox CASCADE');
    await pool.query('ALTER SEQUENCE user_ids RESTART');
  });

  function add(username: string) {
    return users.add({ username, email: null, role: 'user', passwordHash: `hash of ${username}` });
  }

  async function openSession(userId: number): Promise<void> {
    await pool.query(
      `INSERT INTO login_sessions (user_id, session_id, opened_at, expires_at)
       VALUES ($1, 'a session', now(), now() + interval '30 days')`,
      [userId],
    );
  }

  async function count(table: 'users' | 'user_presence'): Promise<number> {
    const { rows } = await pool.query(`SELECT count(*) FROM ${table}`);
    return rows[0].count;
  }

  describe('of users with a password', () => {
    it('numbers them from 1, and they have never been seen', async () => {
      expect(await add('ahmad')).to.deep.equal({
        id: 1,
        username: 'ahmad',
        email: null,
        role: 'user',
      });
      expect((await add('zahra')).id).to.equal(2);
      expect(await count('user_presence')).to.equal(2);
    });

    it('knows them by name, exactly', async () => {
      const user = await add('ahmad');
      const found = await users.credentials('ahmad');
      expect(found).to.deep.equal({ user, issuer: OWN, passwordHash: 'hash of ahmad' });
      for (const other of ['Ahmad', 'ahmad ', '', "' OR 1=1", 'a\0']) {
        expect(await users.credentials(other)).to.equal(null);
      }
    });

    it('refuses a name that is taken', async () => {
      await add('ahmad');
      const [error] = await Promise.all([add('ahmad').catch((reason: unknown) => reason)]);
      expect(error).to.be.instanceOf(UsernameTaken).with.property('username', 'ahmad');
      expect(await count('users')).to.equal(1);
    });

    it('skips ids that tokens have brought', async () => {
      await users.find({ issuer: OWN, subject: '1' }, PROFILE);
      await users.find({ issuer: OWN, subject: '2' }, PROFILE);
      expect((await add('ahmad')).id).to.equal(3);
    });

    it('finds them by their tokens, whose word does not change them', async () => {
      const user = await add('ahmad');
      const identity = { issuer: OWN, subject: String(user.id) };
      expect(await users.find(identity, { ...PROFILE, role: 'admin' })).to.deep.equal(user);
      expect(await users.ownUser(user.id)).to.deep.equal(user);
    });

    it('knows under another first issuer that they are not its own', async () => {
      const { id } = await add('ahmad');
      const others = new PostgresUserStore(pool, IDP);
      expect((await others.credentials('ahmad'))?.issuer).to.equal(OWN);
      expect(await others.ownUser(id)).to.equal(null);
    });

    it('changes their passwords, and logs out whoever knew the old one', async () => {
      const { id } = await add('ahmad');
      await openSession(id);
      expect(await users.setPassword('ahmad', 'another')).to.equal(true);
      const { rows } = await pool.query(
        `SELECT e.user_id, i.type, s.ended_at IS NOT NULL AS ended,
           e.expires_at >= s.expires_at AS remembered
         FROM ended_sessions e JOIN presence_inbox i USING (user_id, session_id)
         JOIN login_sessions s USING (user_id, session_id) WHERE e.tokens_refused AND e.tokens_until > now()`,
      );
      expect(rows).to.deep.equal([{ user_id: id, type: 'logout', ended: true, remembered: true }]);
      expect((await users.credentials('ahmad'))?.passwordHash).to.equal('another');
      expect(await users.setPassword('nobody', 'another')).to.equal(false);
    });

    it('removes them with their presence, and refuses the tokens of their sessions', async () => {
      const { id } = await add('ahmad');
      await openSession(id);
      expect(await users.remove('ahmad')).to.equal(true);
      expect(await users.remove('ahmad')).to.equal(false);
      expect(await users.ownUser(id)).to.equal(null);
      expect(await count('user_presence')).to.equal(0);
      const { rows } = await pool.query('SELECT user_id, session_id FROM ended_sessions');
      expect(rows).to.deep.include({ user_id: id, session_id: 'a session' });
      expect(rows.map(({ user_id }) => user_id)).to.deep.equal([id, id]);
    });

    it('removes by id whoever it is', async () => {
      const own = await add('ahmad');
      const foreign = await users.find({ issuer: IDP, subject: 'auth0|1' }, PROFILE);
      expect(await users.remove('zahra')).to.equal(false);
      expect(await users.remove(foreign!.id)).to.equal(true);
      expect(await users.remove(foreign!.id)).to.equal(false);
      expect((await users.list(0, 10)).map(({ id }) => id)).to.deep.equal([own.id]);
    });

    it('announces that those who are removed are offline, where they were not', async () => {
      const { id } = await add('ahmad');
      await add('zahra');
      await pool.query(
        `UPDATE user_presence SET online_status = 'away', declared = 'away', last_seen = now() + interval '1 s'
         WHERE user_id = $1`,
        [id],
      );
      await users.remove('ahmad');
      await users.remove('zahra');
      const changes: StatusChange[] = [];
      await new PostgresChangeOutbox(pool).relay(10, async (some) => void changes.push(...some));
      expect(changes).to.have.length(1);
      const change = { userId: id, from: 'away', to: 'offline', cause: 'logout' };
      expect(changes[0]).to.include(change);
      expect(changes[0]!.at).to.equal(changes[0]!.lastSeen + 1);
    });

    it('refuses the tokens of sessions whose presence alone had ended, as of now', async () => {
      const { id } = await add('ahmad');
      await openSession(id);
      await pool.query(
        `INSERT INTO ended_sessions (user_id, session_id, ended_at, tokens_until, expires_at)
         VALUES ($1, 'a session', now() - interval '1 hour', now(), now() + interval '1 hour')`,
        [id],
      );
      const { rows: before } = await pool.query('SELECT ended_by FROM ended_sessions');
      await users.setPassword('ahmad', 'another');
      const { rows } = await pool.query('SELECT ended_by, tokens_refused FROM ended_sessions');
      expect(rows).to.have.length(1);
      expect(rows[0].tokens_refused).to.equal(true);
      expect(BigInt(rows[0].ended_by) > BigInt(before[0].ended_by)).to.equal(true);
    });

    it('lists all users by id, a page at a time', async () => {
      for (const name of ['a', 'b', 'c']) await add(name);
      const names = async (after: number) =>
        (await users.list(after, 2)).map(({ username }) => username);
      expect(await names(0)).to.deep.equal(['a', 'b']);
      expect(await names(2)).to.deep.equal(['c']);
    });
  });

  describe('of users that another issuer knows', () => {
    const identity: Identity = { issuer: IDP, subject: 'auth0|5f7c' };

    it('asks in one statement for all who come at once, and mixes nobody up', async () => {
      const subjects = Array.from({ length: 30 }, (_, at) => `subject ${at}`);
      for (const subject of subjects.slice(0, 20)) {
        await users.find({ issuer: IDP, subject }, { ...PROFILE, username: `of ${subject}` });
      }
      let statements = 0;
      const counting: pg.Pool = Object.assign(Object.create(pool), {
        query: (config: pg.QueryConfig) => {
          statements++;
          return pool.query(config);
        },
      });
      const store = new PostgresUserStore(counting, OWN);
      const find = (subject: string, issuer = IDP) => store.find({ issuer, subject }, null);
      const found = await Promise.all([...subjects, 'subject 3'].map((subject) => find(subject)));
      expect(statements).to.equal(1);
      expect(found.map((user) => user?.username)).to.deep.equal([
        ...subjects.map((subject, at) => (at < 20 ? `of ${subject}` : undefined)),
        'of subject 3',
      ]);
      expect(await find('subject 3', OWN)).to.equal(null);
    });

    it('creates one on first sight, where the token says enough', async () => {
      expect(await users.find(identity, null)).to.equal(null);
      const user = await users.find(identity, PROFILE);
      expect(user).to.include({ ...PROFILE });
      expect(await users.find(identity, null)).to.deep.equal(user);
      expect(await count('user_presence')).to.equal(1);
    });

    it('cannot be logged into with a password, nor removed like one', async () => {
      await users.find(identity, PROFILE);
      expect(await users.credentials('zahra')).to.equal(null);
      expect(await users.setPassword('zahra', 'x')).to.equal(false);
      expect(await users.remove('zahra')).to.equal(false);
      expect((await add('zahra')).username).to.equal('zahra');
    });

    it('makes one user of concurrent first sights', async () => {
      const sights = Array.from({ length: 20 }, () => users.find(identity, PROFILE));
      const ids = new Set((await Promise.all(sights)).map((user) => user?.id));
      expect(ids.size).to.equal(1);
      expect(await count('users')).to.equal(1);
    });

    it('tells issuers apart that use the same subject', async () => {
      const one = await users.find(identity, PROFILE);
      const other = await users.find({ ...identity, issuer: 'https://other/' }, PROFILE);
      expect(one?.id).not.to.equal(other?.id);
    });

    it('takes over a changed profile; a token without an address does not take it away', async () => {
      await users.find(identity, PROFILE);
      const changed = { username: 'zahra2', email: null, role: 'admin' };
      const expected = { username: 'zahra2', email: 'zahra@example.com', role: 'admin' };
      expect(await users.find(identity, changed)).to.include(expected);
      expect(await users.find(identity, null)).to.include(expected);
    });

    it('keeps the profile that is there where the database does not take the other', async () => {
      await users.find(identity, PROFILE);
      await users.find({ ...identity, subject: 'other' }, { ...PROFILE, email: 'b@example.com' });
      await pool.query('CREATE UNIQUE INDEX one_mail ON users (email)');
      try {
        const found = await users.find(identity, { ...PROFILE, email: 'b@example.com' });
        expect(found).to.include(PROFILE);
        expect(await users.find(identity, null)).to.deep.equal(found);
      } finally {
        await pool.query('DROP INDEX one_mail');
      }
    });
  });

  describe('of decimal subjects of the first issuer', () => {
    it('takes the subject for the id itself', async () => {
      for (const subject of ['7', '9007199254740991']) {
        const user = await users.find({ issuer: OWN, subject }, PROFILE);
        expect(user?.id).to.equal(Number(subject));
      }
    });

    it('generates an id for any other subject, and for other issuers', async () => {
      for (const subject of ['07', '0', '-7', '7.0', '9007199254740992', '1e3', 'seven']) {
        const user = await users.find({ issuer: OWN, subject }, PROFILE);
        expect(user?.id).to.be.at.least(FIRST_FOREIGN_ID);
      }
      const foreign = await users.find({ issuer: IDP, subject: '77' }, PROFILE);
      expect(foreign?.id).to.be.at.least(FIRST_FOREIGN_ID);
    });

    it('keeps out of the way of subjects that are ids, whoever comes first', async () => {
      await users.find({ issuer: IDP, subject: 'x' }, PROFILE);
      for (const subject of ['1', '2']) {
        const user = await users.find({ issuer: OWN, subject }, PROFILE);
        expect(user?.id).to.equal(Number(subject));
      }
    });

    it('does not bring back a user that was removed, while there may be tokens of it', async () => {
      const { id } = await add('ahmad');
      await openSession(id);
      await users.remove('ahmad');
      expect(await users.find({ issuer: OWN, subject: String(id) }, PROFILE)).to.equal(null);
      expect(await count('users')).to.equal(0);
    });

    it('nor one that was removed and never had a session here', async () => {
      const { id } = await add('ahmad');
      await users.remove('ahmad');
      expect(await users.find({ issuer: OWN, subject: String(id) }, PROFILE)).to.equal(null);
    });

    it('never makes one person of two: an id that is taken stays with whom it belongs to', async () => {
      const foreign = await users.find({ issuer: IDP, subject: 'x' }, PROFILE);
      const own = await users.find({ issuer: OWN, subject: String(foreign?.id) }, PROFILE);
      expect(own?.id).not.to.equal(foreign?.id);
    });

    it('makes one user of concurrent first sights', async () => {
      const sight = () => users.find({ issuer: OWN, subject: '7' }, PROFILE);
      const found = await Promise.all(Array.from({ length: 20 }, sight));
      expect(found.every((user) => user?.id === 7)).to.equal(true);
    });
  });

  it('lets generated and given ids race without a loss', async () => {
    const given = Array.from({ length: 20 }, (_, n) =>
      users.find({ issuer: OWN, subject: String(n + 1) }, PROFILE),
    );
    const generated = Array.from({ length: 20 }, (_, n) => add(`user${n}`));
    const found = await Promise.all([...given, ...generated]);
    // Whoever came first may have taken an id that is then found to belong to a user of ours.
    expect(found.every((user) => user !== null)).to.equal(true);
    expect(await count('users')).to.equal(new Set(found.map((user) => user?.id)).size);
    expect(await count('user_presence')).to.equal(await count('users'));
  });
});

describe('PostgresUserStore without a database', () => {
  it('is unavailable', async () => {
    const pool = createPool({ url: 'postgres://127.0.0.1:1/x', size: 1, applicationName: 'test' });
    const users = new PostgresUserStore(pool, OWN);
    const error = await users.credentials('ahmad').catch((reason: unknown) => reason);
    expect(error).to.be.instanceOf(Unavailable).with.property('what', 'database');
    await pool.end();
  });
});
