import {
  type EventPublisher,
  getOnlineUsers,
  getUserOnlineStatus,
  InvalidCursor,
  identityKey,
  type Page,
  type PresenceEvent,
  type PresenceReader,
  RowRefused,
  RowsLocked,
  type Submission,
  setUserOnlineStatus,
  Unauthenticated,
  Unavailable,
  UnknownUser,
  UsernameTaken,
  type UserPresence,
  withEvent,
} from '@presence/domain';
import { expect } from 'chai';
import { EPOCH } from './arbitraries.js';

const ahmad: UserPresence = {
  id: 1,
  username: 'ahmad',
  email: null,
  role: 'user',
  status: 'online',
  lastSeen: EPOCH,
};

function readerOf(user: UserPresence | null): PresenceReader {
  const page: Page<UserPresence> = {
    items: user ? [user] : [],
    totalCount: user ? 1 : 0,
    nextCursor: null,
    hasPrevious: false,
  };
  return {
    user: async () => ({ asOf: EPOCH, value: user }),
    users: async () => ({ asOf: EPOCH, value: page.items }),
    online: async () => ({ asOf: EPOCH, value: page }),
    list: async () => ({ asOf: EPOCH, value: page }),
    statistics: async () => ({ asOf: EPOCH, value: { total: 1, online: 1, away: 0, offline: 0 } }),
  };
}

function publisherThat(submission: Submission): EventPublisher & { submitted: PresenceEvent[] } {
  const submitted: PresenceEvent[] = [];
  return {
    submitted,
    accepting: true,
    connected: true,
    record() {},
    async submit(event) {
      submitted.push(event);
      return submission;
    },
    async close() {},
  };
}

const rejection = (promise: Promise<unknown>) =>
  promise.then(
    () => undefined,
    (error: unknown) => error,
  );

describe("Setting a user's status", () => {
  it('stamps the event with the clock, once', async () => {
    const publisher = publisherThat({ outcome: 'pending' });
    const reader = readerOf(ahmad);
    const set = await setUserOnlineStatus({ reader, publisher }, 1, 'away', EPOCH + 500);
    const event = {
      type: 'status_set',
      userId: 1,
      occurredAt: EPOCH + 500,
      status: 'away',
      sessionId: '',
    };
    expect(publisher.submitted).to.deep.equal([event]);
    expect(set).to.deep.equal({ event, submission: { outcome: 'pending' } });
  });

  it('stamps it later than all that the row knows, whatever the clock says', async () => {
    const publisher = publisherThat({ outcome: 'pending' });
    await setUserOnlineStatus({ reader: readerOf(ahmad), publisher }, 1, 'away', EPOCH - 5_000);
    expect(publisher.submitted[0]?.occurredAt).to.equal(EPOCH + 1);
  });

  it('knows no user that is not there, or is removed meanwhile', async () => {
    const publisher = publisherThat({ outcome: 'refused', reason: 'unknown_user' });
    const gone = await rejection(
      setUserOnlineStatus({ reader: readerOf(null), publisher }, 7, 'away', EPOCH),
    );
    expect(gone).to.be.instanceOf(UnknownUser).with.property('userId', 7);
    const removed = { ...ahmad, lastSeen: null };
    const refused = await rejection(
      setUserOnlineStatus({ reader: readerOf(removed), publisher }, 1, 'away', EPOCH),
    );
    expect(refused).to.be.instanceOf(UnknownUser);
  });

  it('does not call somebody unknown whose event is refused for another reason', async () => {
    const publisher = publisherThat({ outcome: 'refused', reason: 'future_timestamp' });
    const refused = await rejection(
      setUserOnlineStatus({ reader: readerOf(ahmad), publisher }, 1, 'away', EPOCH),
    );
    expect(refused).to.be.instanceOf(Unavailable);
  });
});

describe("Getting a user's status", () => {
  it('answers with the as-of of its snapshot', async () => {
    expect(await getUserOnlineStatus(readerOf(ahmad), 1)).to.deep.equal({
      asOf: EPOCH,
      value: ahmad,
    });
  });

  it('knows no user that is not there', async () => {
    expect(await rejection(getUserOnlineStatus(readerOf(null), 7))).to.be.instanceOf(UnknownUser);
  });
});

describe('Listing who is online', () => {
  it('hands out a page', async () => {
    const { value } = await getOnlineUsers(readerOf(ahmad), { page: 1, perPage: 50 });
    expect(value.items).to.deep.equal([ahmad]);
  });
});

describe('A user together with an event that the row may not show yet', () => {
  const event = {
    type: 'heartbeat',
    occurredAt: EPOCH + 1,
    status: 'away',
    sessionId: '',
  } as const;

  it('looks as the event says where it is later', () => {
    expect(withEvent(ahmad, event)).to.deep.equal({
      ...ahmad,
      status: 'away',
      lastSeen: EPOCH + 1,
    });
    expect(withEvent({ ...ahmad, lastSeen: null }, event).status).to.equal('away');
  });

  it('looks as the row says where that is as late', () => {
    expect(withEvent(ahmad, { ...event, occurredAt: EPOCH })).to.equal(ahmad);
  });
});

describe('The errors of the domain', () => {
  it('carry what the caller needs to go on', () => {
    expect(new Unavailable('broker').retryAfter).to.equal(1_000);
    expect(new Unavailable('database', 5).what).to.equal('database');
    expect(new RowsLocked([1, 2]).userIds).to.deep.equal([1, 2]);
    expect(new RowRefused('22021').sqlState).to.equal('22021');
    expect(new UsernameTaken('ahmad').message).to.contain('"ahmad"');
    expect(new InvalidCursor()).to.be.instanceOf(Error);
    expect(new Unauthenticated('The token has expired.').name).to.equal('Unauthenticated');
  });

  it('has one key for an identity, whatever its text', () => {
    expect(identityKey({ issuer: 'a', subject: 'b' })).to.not.equal(
      identityKey({ issuer: 'a\u0000b', subject: '' }),
    );
  });
});
