import { PostgresIdentityStore, PostgresUserStore } from '@presence/adapters/postgres';
import { identityKey } from '@presence/domain';
import { expect } from 'chai';
import { onEachDatabase } from './each-database.js';

const OWN = 'presence';
const PROFILE = { username: 'ahmad', email: null, role: 'user' };

onEachDatabase('PostgresIdentityStore', (database) => {
  let identities: PostgresIdentityStore;
  let users: PostgresUserStore;

  beforeEach(async () => {
    identities = new PostgresIdentityStore(database.pool(), OWN);
    users = new PostgresUserStore(database.pool(), OWN);
    await database.pool().query('TRUNCATE users CASCADE');
  });

  it('resolves those that are known, each to its user, and leaves out the others', async () => {
    const own = await users.add({ ...PROFILE, passwordHash: 'hash' });
    const idp = { issuer: 'https://idp/', subject: 'x' };
    const foreign = await identities.create(idp, PROFILE);
    const ours = { issuer: OWN, subject: String(own.id) };
    const known = await identities.resolve([
      idp,
      ours,
      { issuer: 'https://idp/', subject: 'y' },
      { issuer: OWN, subject: 'x' },
      idp,
    ]);
    expect([...known]).to.have.deep.members([
      [identityKey(idp), foreign],
      [identityKey(ours), own.id],
    ]);
  });

  it('resolves none of none', async () => {
    expect((await identities.resolve([])).size).to.equal(0);
  });

  it('tells the numbers that nobody has, whoever the others are', async () => {
    const own = await users.add({ ...PROFILE, passwordHash: 'hash' });
    const foreign = await identities.create({ issuer: 'https://idp/', subject: 'x' }, PROFILE);
    const nobody = [own.id + 1, 2 ** 53 - 1];
    const asked = [nobody[0]!, own.id, foreign, nobody[1]!];
    expect(await identities.unknown(asked)).to.have.members(nobody);
    expect(await identities.unknown([])).to.deep.equal([]);
  });

  it('creates a user once, whoever else does so at the same time', async () => {
    const identity = { issuer: OWN, subject: '7' };
    const create = () => identities.create(identity, PROFILE);
    const ids = await Promise.all(Array.from({ length: 10 }, create));
    expect(new Set(ids)).to.deep.equal(new Set([7]));
    expect(await users.byId(7)).to.include(PROFILE);
  });
});
