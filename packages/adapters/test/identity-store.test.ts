import { PostgresIdentityStore, PostgresUserStore } from '@presence/adapters/postgres';
import { type Identity, identityKey, type Newcomer, RowRefused } from '@presence/domain';
import { expect } from 'chai';
import { onEachDatabase } from './each-database.js';

const OWN = 'presence';
const PROFILE = { username: 'ahmad', email: null, role: 'user' };
const STRANGER = { issuer: 'https://idp/', subject: 'x' };

onEachDatabase('PostgresIdentityStore', (database) => {
  let identities: PostgresIdentityStore;
  let users: PostgresUserStore;

  beforeEach(async () => {
    identities = new PostgresIdentityStore(database.pool(), OWN);
    users = new PostgresUserStore(database.pool(), OWN);
    await database.pool().query('TRUNCATE users CASCADE');
  });

  /** @returns the id of one who is added, or found. */
  async function create(identity: Identity): Promise<number | RowRefused> {
    const created = await identities.create([someone(identity)]);
    return created.get(identityKey(identity))!;
  }

  it('resolves those that are known, each to its user, and leaves out the others', async () => {
    const own = await users.add({ ...PROFILE, passwordHash: 'hash' });
    const foreign = await create(STRANGER);
    const ours = { issuer: OWN, subject: String(own.id) };
    const known = await identities.resolve([
      STRANGER,
      ours,
      { issuer: 'https://idp/', subject: 'y' },
      { issuer: OWN, subject: 'x' },
      STRANGER,
    ]);
    expect([...known]).to.have.deep.members([
      [identityKey(STRANGER), foreign],
      [identityKey(ours), own.id],
    ]);
  });

  it('resolves none of none', async () => {
    expect((await identities.resolve([])).size).to.equal(0);
  });

  it('tells the numbers that nobody has, whoever the others are', async () => {
    const own = await users.add({ ...PROFILE, passwordHash: 'hash' });
    const foreign = (await create(STRANGER)) as number;
    const nobody = [own.id + 1, 2 ** 53 - 1];
    const asked = [nobody[0]!, own.id, foreign, nobody[1]!];
    expect(await identities.unknown(asked)).to.have.members(nobody);
    expect(await identities.unknown([])).to.deep.equal([]);
  });

  it('creates a user once, whoever else does so at the same time', async () => {
    const identity = { issuer: OWN, subject: '7' };
    const ids = await Promise.all(Array.from({ length: 10 }, () => create(identity)));
    expect(new Set(ids)).to.deep.equal(new Set([7]));
    expect(await users.ownUser(7)).to.include(PROFILE);
  });

  it('creates many by one statement, and finds those who are there', async () => {
    const there = await create(STRANGER);
    const created = await identities.create([...crowd(500), someone(STRANGER)]);
    expect(created.get(identityKey(STRANGER))).to.equal(there);
    expect(created.get(identityKey({ issuer: OWN, subject: '10' }))).to.equal(10);
    const { rows } = await database.pool().query(
      `
      SELECT count(*)::int AS users, count(DISTINCT u.xmin::text)::int AS statements
      FROM users u JOIN user_presence ON user_id = id WHERE issuer = $1`,
      [OWN],
    );
    expect(rows).to.deep.equal([{ users: 500, statements: 1 }]);
  });

  it('creates none twice where others add the same in another order', async () => {
    const lots = Array.from({ length: 8 }, (_, turn) =>
      turn % 2 === 0 ? crowd(300) : crowd(300).toReversed(),
    );
    const created = await Promise.all(lots.map((lot) => identities.create(lot)));
    for (const users of created) expect(new Map(users)).to.have.lengthOf(300);
    const { rows } = await database.pool().query('SELECT count(*)::int AS users FROM users');
    expect(rows).to.deep.equal([{ users: 300 }]);
  });

  it('gives another number to whom a number says that is somebody else', async () => {
    const foreign = (await create(STRANGER)) as number;
    const own = (await create({ issuer: OWN, subject: String(foreign) })) as number;
    expect(own).not.to.equal(foreign);
    expect((await identities.resolve([STRANGER])).get(identityKey(STRANGER))).to.equal(foreign);
  });

  it('says of each whom the database does not take why, and creates the others', async () => {
    await database.pool().query(`
      ALTER TABLE users ADD CONSTRAINT polite CHECK (username <> 'rude');
      CREATE UNIQUE INDEX one_mail ON users (email)`);
    try {
      const rude = { identity: STRANGER, profile: { ...PROFILE, username: 'rude' } };
      const mail = { ...PROFILE, email: 'a@example.com' };
      const [one, other] = ['a', 'b'].map((subject) => ({
        ...{ identity: { issuer: 'https://idp/', subject }, profile: mail },
      }));
      const created = await identities.create([...crowd(20), rude, one!, other!]);
      const refused = [...created].filter(([, user]) => user instanceof RowRefused);
      expect(created.size).to.equal(23);
      expect(refused.map(([key, user]) => [key, (user as RowRefused).sqlState])).to.deep.equal([
        [identityKey(STRANGER), '23514'],
        [identityKey(other!.identity), '23505'],
      ]);
    } finally {
      await database.pool().query('ALTER TABLE users DROP CONSTRAINT polite; DROP INDEX one_mail');
    }
  });

  it('creates none of none', async () => {
    expect((await identities.create([])).size).to.equal(0);
  });
});

function someone(identity: Identity): Newcomer {
  return { identity, profile: PROFILE };
}

/** Of our own issuer, by the numbers from 1 on. */
function crowd(size: number): Newcomer[] {
  return Array.from({ length: size }, (_, at) => someone({ issuer: OWN, subject: String(at + 1) }));
}
