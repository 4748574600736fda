import type { AccessToken, Identity, Profile, User } from '@presence/domain';
import { expect } from 'chai';
import { CallerDirectory } from '../dist/caller-directory.js';

const OWN = 'presence';
const HOUR = 3_600_000;

/** Who was asked about, and what was told of them. */
class Users {
  readonly asked: (readonly [Identity, Profile | null])[] = [];

  find(identity: Identity, profile: Profile | null): Promise<User | null> {
    this.asked.push([identity, profile]);
    const id = identity.issuer === OWN ? Number(identity.subject) : 1_000 + this.asked.length;
    return Promise.resolve({ id, username: 'u', email: null, role: 'user' });
  }
}

function token(
  issuer: string,
  subject: string,
  more: Partial<Pick<AccessToken, 'profile' | 'expiresAt'>> = {},
): AccessToken {
  const identity = { issuer, subject };
  return { identity, profile: null, role: 'user', sessionId: 's', expiresAt: HOUR, ...more };
}

function named(username: string): Profile {
  return { username, email: null, role: 'user' };
}

describe('The directory of callers', () => {
  it('asks once for each user, and takes nobody for another', async () => {
    const users = new Users();
    const directory = new CallerDirectory({ users, ownIssuer: OWN });
    const tokens = [
      ...[token(OWN, '7'), token('elsewhere', '7'), token(OWN, '07'), token(OWN, 'seven')],
      ...[token('elsewhere', 'presence 7'), token(OWN, '70')],
    ];
    const first = [];
    for (const each of tokens) first.push(await directory.resolve(each));
    const again = [];
    for (const each of tokens) again.push(await directory.resolve(each));
    expect(again).to.deep.equal(first);
    expect(users.asked).to.have.length(tokens.length);
    expect(first[0]).to.equal(7);
    expect(new Set(first.map(String)).size).to.be.at.least(tokens.length - 1); // 7 and 07 are one.
  });

  it('tells a new profile, but not what an older token says', async () => {
    const users = new Users();
    const directory = new CallerDirectory({ users, ownIssuer: OWN });
    const say = (username: string | null, expiresAt: number) =>
      directory.resolve(
        token('elsewhere', 'a', { profile: username === null ? null : named(username), expiresAt }),
      );
    await say('old', HOUR);
    await say('new', 2 * HOUR);
    await say('old', HOUR);
    await say(null, 3 * HOUR);
    await say('old', HOUR);
    await say('new', 4 * HOUR);
    expect(users.asked.map(([, profile]) => profile?.username)).to.deep.equal(['old', 'new']);
  });

  it('remembers what was told while somebody without a profile is looked up again', async () => {
    const users = new Users();
    const directory = new CallerDirectory({ users, ownIssuer: OWN });
    await directory.resolve(token(OWN, '7', { profile: named('new'), expiresAt: 2 * HOUR }));
    const { now } = performance;
    try {
      performance.now = () => now.call(performance) + 601_000;
      await directory.resolve(token(OWN, '7', { expiresAt: 3 * HOUR }));
      await directory.resolve(token(OWN, '7', { profile: named('old'), expiresAt: HOUR }));
      await directory.resolve(token(OWN, '7', { profile: named('newer'), expiresAt: 2.5 * HOUR }));
    } finally {
      performance.now = now;
    }
    const told = users.asked.map(([, profile]) => profile?.username);
    expect(told).to.deep.equal(['new', undefined, 'newer']);
  });
});
