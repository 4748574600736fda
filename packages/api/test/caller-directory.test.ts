import {
  type AccessToken,
  type Identity,
  type Profile,
  Unavailable,
  type User,
} from '@presence/domain';
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

  describe('where a look-up takes long', () => {
    let answers: ((error?: Error) => void)[];
    let directory: CallerDirectory;

    beforeEach(() => {
      answers = [];
      const find = ({ subject }: Identity) =>
        new Promise<User>((resolve, reject) => {
          const user = { id: 1_000 + Number(subject), username: 'u', email: null, role: 'user' };
          answers.push((error) => (error ? reject(error) : resolve(user)));
        });
      directory = new CallerDirectory({ users: { find }, ownIssuer: OWN });
    });

    it('waits a little, goes by the token, and tells when the answer is there', async () => {
      const [own, foreign] = [token(OWN, '7'), token('elsewhere', '8')];
      expect(
        await Promise.all([own, foreign].map((each) => directory.resolve(each))),
      ).to.deep.equal([7, null]);
      const late = [own, foreign].map((each) => directory.lookUp(each));
      for (const answer of answers) answer();
      expect(await Promise.all(late)).to.deep.equal([1_007, 1_008]);
      expect(directory.lookUp(own)).to.equal(undefined);
      expect([own, foreign].map((each) => directory.resolve(each))).to.deep.equal([1_007, 1_008]);
    });

    it('lets nobody else wait, and asks of them all the same', async () => {
      await directory.resolve(token(OWN, '7'));
      const other = token('elsewhere', '8');
      expect(directory.resolve(other)).to.equal(null);
      const late = directory.lookUp(other);
      for (const answer of answers) answer();
      expect(await late).to.equal(1_008);
    });

    it('asks of so many at once that the others find a connection', async () => {
      await directory.resolve(token(OWN, '7'));
      const [many, more] = [1_000, 2_000].map((first) =>
        Array.from({ length: 1_000 }, (_, at) => token('elsewhere', `${first + at}`)),
      );
      for (const each of many!) directory.resolve(each);
      const asked = answers.length;
      expect(asked).to.be.within(10, 100);
      const { now } = performance;
      try {
        performance.now = () => now.call(performance) + 5_000; // Nobody is taken to be slow any more.
        for (const each of more!) expect(directory.resolve(each)).to.equal(null);
      } finally {
        performance.now = now;
      }
      expect(answers).to.have.length(asked);
    });

    it('has nothing more to say of somebody who is known', async () => {
      const known = directory.resolve(token('elsewhere', '8'));
      answers[0]!();
      await known;
      await directory.resolve(token(OWN, '7'));
      const renamed = token('elsewhere', '8', { profile: named('new'), expiresAt: 2 * HOUR });
      expect(directory.resolve(renamed)).to.equal(1_008);
      expect(directory.lookUp(renamed)).to.equal(undefined);
    });

    it('takes nobody to be slow where one question alone takes long', async () => {
      const slow = directory.resolve(token(OWN, '7'));
      const other = directory.resolve(token('elsewhere', '8'));
      answers[1]!();
      await other;
      expect(await slow).to.equal(7);
      expect(directory.resolve(token('elsewhere', '9'))).to.be.a('promise');
    });

    it('goes on asking where one question fails that is older than an answer', async () => {
      await directory.resolve(token(OWN, '7'));
      directory.resolve(token('elsewhere', '8'));
      const [late, answered] = [token(OWN, '7'), token('elsewhere', '8')].map((each) =>
        directory.lookUp(each),
      );
      answers[1]!();
      await answered;
      answers[0]!(new Unavailable('database'));
      await late!.catch(() => {});
      directory.resolve(token('elsewhere', '9'));
      expect(answers).to.have.length(3);
    });

    it('does not ask a database that has said that it is away', async () => {
      const first = directory.resolve(token(OWN, '7'));
      answers[0]!(new Unavailable('database'));
      expect(await first).to.equal(7);
      expect(directory.resolve(token(OWN, '9'))).to.equal(9);
      expect(directory.lookUp(token(OWN, '9'))).to.equal(undefined);
      expect(answers).to.have.length(1);
    });
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

  it('remembers what was told where it is an older token that has somebody looked up again', async () => {
    const users = new Users();
    const directory = new CallerDirectory({ users, ownIssuer: OWN });
    const say = (username: string, expiresAt: number) =>
      directory.resolve(token(OWN, '7', { profile: named(username), expiresAt }));
    await say('old', HOUR);
    await say('new', 2 * HOUR);
    const { now } = performance;
    try {
      performance.now = () => now.call(performance) + 601_000;
      await say('old', HOUR);
      await say('between', 1.5 * HOUR);
      await say('newer', 3 * HOUR);
    } finally {
      performance.now = now;
    }
    const told = users.asked.map(([, profile]) => profile?.username);
    expect(told).to.deep.equal(['old', 'new', 'new', 'newer']);
  });

  it('takes the word of a token that ends before one that has said nothing', async () => {
    const users = new Users();
    const directory = new CallerDirectory({ users, ownIssuer: OWN });
    await directory.resolve(token(OWN, '7', { expiresAt: 2 * HOUR }));
    const { now } = performance;
    try {
      performance.now = () => now.call(performance) + 601_000;
      await directory.resolve(token(OWN, '7', { profile: named('old'), expiresAt: HOUR }));
    } finally {
      performance.now = now;
    }
    expect(users.asked.map(([, profile]) => profile?.username)).to.deep.equal([undefined, 'old']);
  });
});
