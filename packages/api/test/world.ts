import { setTimeout as wait } from 'node:timers/promises';
import {
  applyEvent,
  type CommittedStatus,
  type CommittedTransition,
  type EndedSessionNotice,
  type EventPublisher,
  endSession,
  type Identity,
  type LoginLimiter,
  type Millis,
  NEVER_SEEN,
  type Page,
  type PageRequest,
  type PasswordHasher,
  type Presence,
  type PresenceEvent,
  type PresenceReader,
  type Profile,
  type ReportedEvent,
  type RotationResult,
  type SessionEnd,
  type SessionStore,
  type Submission,
  type TokenIssuer,
  type TokenVerifier,
  TooManyLogins,
  Unauthenticated,
  Unavailable,
  type User,
  type UserId,
  type UserPresence,
  type UserStore,
  visibleStatus,
} from '@presence/domain';
import { OWN_ISSUER, readToken, token } from './access-token.js';

const SILENCE = { offlineAfter: 110_000 };

interface Session {
  readonly userId: UserId;
  readonly sessionId: string;
  spent: boolean;
}

/**
 * All the ports in one small world in memory, whose dependencies can be taken away. It applies
 * events with the domain's own rules, at once.
 */
export class World {
  readonly rows = new Map<UserId, { user: User; presence: Presence; password?: string }>();
  readonly recorded: ReportedEvent[] = [];
  readonly submitted: PresenceEvent[] = [];
  readonly endedSessions: SessionEnd[] = [];
  readonly failures: string[] = [];
  databaseAway = false;
  databaseSilent = false;
  brokerAway = false;
  accepting = true;
  workersStopped = false;
  rowsLocked = false;
  keysAway = false;
  blockedFor: Millis = 0;
  /** Two at the most. */
  loginsUnderWay = 0;
  /** Of those who log in with a password. */
  issuerOfUsers = OWN_ISSUER;
  finds = 0;
  asOf: Millis = Date.now();
  /** Added to the system's clock. */
  skew = 0;
  readonly #tokensGood = new Set<string>();
  #refresh = new Map<string, Session>();
  #identities = new Map<string, UserId>();

  /** When refresh tokens were rotated, as the API said. */
  readonly rotations: Millis[] = [];
  readonly now = (): Millis => Date.now() + this.skew;

  add(id: UserId, profile: Partial<Profile> & { password?: string } = {}): User {
    const { username = `user${id}`, email = `user${id}@example.com`, role = 'user' } = profile;
    const user = { id, username, email, role };
    const { password } = profile;
    this.rows.set(id, { user, presence: NEVER_SEEN, ...(password !== undefined && { password }) });
    return user;
  }

  apply(event: PresenceEvent): void {
    const row = this.rows.get(event.userId);
    if (row === undefined) return;
    row.presence = applyEvent(row.presence, event);
    this.asOf = Math.max(this.asOf, event.occurredAt);
  }

  /** As a message of another service does: the tokens of the session stay good. */
  endPresence(userId: UserId, sessionId: string): void {
    this.#tokensGood.add(sessionId);
    this.#end({ userId, sessionId, at: this.now(), tokensUntil: this.now() + 900_000 });
  }

  #notice({ userId, sessionId, tokensUntil: until }: SessionEnd): EndedSessionNotice {
    return { userId, sessionId, tokensRefused: !this.#tokensGood.has(sessionId), until };
  }

  shown(userId: UserId): CommittedStatus {
    const presence = this.rows.get(userId)?.presence ?? NEVER_SEEN;
    return {
      status: visibleStatus(presence, this.asOf, SILENCE),
      lastSeen: presence.lastSeen,
    };
  }

  readonly publisher: EventPublisher = this.#publisher();
  readonly reader: PresenceReader = this.#reader();
  readonly users: UserStore = this.#users();
  readonly sessions: SessionStore = this.#sessions();

  /** A token is its own text: what it says is what it is verified to say. */
  readonly verifier: TokenVerifier = {
    verify: (text) => {
      if (this.keysAway) throw new Unavailable('keys', 2_500);
      const token = readToken(text);
      if (token === null || token.expiresAt <= this.now()) {
        throw new Unauthenticated('The token is not good.');
      }
      return token;
    },
  };

  readonly issuer: TokenIssuer = {
    issue: (user, sessionId) => token({ user, sessionId }),
    accessTokenTtl: 900_000,
  };

  readonly hasher: PasswordHasher = {
    hash: async (password) => `hash of ${password}`,
    verify: async (hash, password) => hash === `hash of ${password}`,
  };

  readonly limiter: LoginLimiter = {
    inTurn: async (_address, login) => {
      if (this.loginsUnderWay === 2) throw new TooManyLogins();
      this.loginsUnderWay++;
      return login().finally(() => {
        this.loginsUnderWay--;
      });
    },
    blockedFor: async () => this.blockedFor,
    failed: async (username, address) => {
      this.failures.push(`${username} ${address}`);
    },
    succeeded: async () => undefined,
  };

  #publisher(): EventPublisher {
    const world = this;
    return {
      get accepting() {
        return world.accepting;
      },
      get connected() {
        return !world.brokerAway;
      },
      record: (event) => world.#record(event),
      submit: async (event) => world.#submit(event),
      close: async () => undefined,
    };
  }

  #record(event: ReportedEvent): void {
    this.recorded.push(event);
    if (typeof event.user === 'number' && !this.brokerAway) {
      this.apply({ ...event, userId: event.user });
    }
  }

  #submit(event: PresenceEvent): Submission {
    if (this.brokerAway) throw new Unavailable('broker', 1_500);
    this.submitted.push(event);
    if (this.workersStopped) return { outcome: 'pending' };
    this.apply(event);
    return { outcome: 'committed', presence: this.shown(event.userId) };
  }

  async #database(): Promise<void> {
    while (this.databaseSilent) await wait(10, undefined, { ref: false });
    if (this.databaseAway) throw new Unavailable('database');
  }

  #reader(): PresenceReader {
    const dated = async <T>(value: () => T) => {
      await this.#database();
      return { asOf: this.asOf, value: value() };
    };
    return {
      user: (id) => dated(() => this.#shownUser(id)),
      users: (ids) => dated(() => ids.map((id) => this.#shownUser(id)).filter((u) => u !== null)),
      online: (request) =>
        dated(() =>
          page(
            this.#all().filter(({ status }) => status === 'online'),
            request,
          ),
        ),
      list: ({ status, search }, request) =>
        dated(() => {
          const found = this.#all().filter(
            (user) =>
              (status === undefined || user.status === status) &&
              (search === undefined || user.username.includes(search)),
          );
          return page(found, request);
        }),
      statistics: () =>
        dated(() => {
          const count = (status: string) =>
            this.#all().filter((user) => user.status === status).length;
          return {
            total: this.rows.size,
            online: count('online'),
            away: count('away'),
            offline: count('offline'),
          };
        }),
    };
  }

  #shownUser(id: UserId): UserPresence | null {
    const row = this.rows.get(id);
    return row === undefined ? null : { ...row.user, ...this.shown(id) };
  }

  #all(): UserPresence[] {
    return [...this.rows.keys()].sort((a, b) => a - b).map((id) => this.#shownUser(id)!);
  }

  #users(): UserStore {
    const byName = (username: string) =>
      [...this.rows.values()].find(({ user }) => user.username === username);
    const unused = () => Promise.reject(new Error('not used by the API'));
    return {
      add: unused,
      remove: unused,
      setPassword: unused,
      list: unused,
      credentials: async (username) => {
        await this.#database();
        const row = byName(username);
        if (row?.password === undefined) return null;
        const passwordHash = `hash of ${row.password}`;
        return { user: row.user, issuer: this.issuerOfUsers, passwordHash };
      },
      ownUser: async (id) => {
        await this.#database();
        return this.issuerOfUsers === OWN_ISSUER ? (this.rows.get(id)?.user ?? null) : null;
      },
      find: async (identity, profile) => {
        this.finds++;
        await this.#database();
        return this.#find(identity, profile);
      },
    };
  }

  #find(identity: Identity, profile: Profile | null): User | null {
    const { issuer, subject } = identity;
    const own = issuer === OWN_ISSUER && /^[1-9][0-9]*$/.test(subject) ? Number(subject) : null;
    const id = own ?? this.#identities.get(`${issuer} ${subject}`);
    const known = id === undefined ? undefined : this.rows.get(id)?.user;
    if (known !== undefined || profile === null) return known ?? null;
    const added = own ?? Math.max(1_000, ...this.rows.keys()) + 1;
    this.#identities.set(`${issuer} ${subject}`, added);
    return this.add(added, profile);
  }

  #sessions(): SessionStore {
    return {
      open: async ({ userId, sessionId, refreshHash, at }) => {
        await this.#database();
        this.#refresh.set(hex(refreshHash), { userId, sessionId, spent: false });
        return this.#transition({
          type: 'login',
          userId,
          occurredAt: at,
          status: 'online',
          sessionId,
        });
      },
      rotate: async ({ presented, replacement, at }) => {
        await this.#database();
        this.rotations.push(at);
        return this.#rotate(hex(presented), hex(replacement), at);
      },
      end: async (session) => {
        await this.#database();
        return this.#end(session);
      },
      ownerOf: async (refreshHash) => {
        await this.#database();
        return this.#refresh.get(hex(refreshHash)) ?? null;
      },
      endExpired: () => Promise.reject(new Error('not used by the API')),
      endedSince: async (cursor) => {
        await this.#database();
        const ended = this.endedSessions.slice(Number(cursor ?? 0)).map((end) => this.#notice(end));
        const cursorNow = `${this.endedSessions.length}`;
        return { ended, cursor: cursorNow, asOf: this.asOf, now: Date.now() };
      },
    };
  }

  #rotate(presented: string, replacement: string, at: Millis): RotationResult {
    const session = this.#refresh.get(presented);
    if (session === undefined || this.#hasEnded(session)) return { outcome: 'invalid' };
    const { userId, sessionId } = session;
    if (session.spent) {
      this.#end({ userId, sessionId, at, tokensUntil: at + 900_000 });
      return { outcome: 'reused', userId, sessionId };
    }
    session.spent = true;
    this.#refresh.set(replacement, { userId, sessionId, spent: false });
    return { outcome: 'rotated', userId, sessionId };
  }

  #hasEnded({ sessionId }: Session): boolean {
    return this.endedSessions.some((ended) => ended.sessionId === sessionId);
  }

  #end(session: SessionEnd): CommittedTransition {
    const { userId, sessionId, at } = session;
    this.endedSessions.push(session);
    const row = this.rows.get(userId);
    if (row !== undefined) row.presence = endSession(row.presence, sessionId);
    return this.#transition({
      type: 'logout',
      userId,
      occurredAt: at,
      status: 'offline',
      sessionId,
    });
  }

  #transition(event: PresenceEvent): CommittedTransition {
    if (!this.rowsLocked) this.apply(event);
    return { presence: this.shown(event.userId), pending: this.rowsLocked };
  }
}

function page(users: readonly UserPresence[], request: PageRequest): Page<UserPresence> {
  const { perPage } = request;
  const start = 'page' in request ? (request.page - 1) * perPage : Number(request.cursor);
  const items = users.slice(start, start + perPage);
  const next = start + perPage;
  return {
    items,
    totalCount: users.length,
    nextCursor: next < users.length ? `${next}` : null,
    hasPrevious: start > 0,
  };
}

function hex(bytes: Uint8Array): string {
  return Buffer.from(bytes).toString('hex');
}
