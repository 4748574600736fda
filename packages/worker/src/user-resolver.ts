import {
  type Identity,
  type IdentityStore,
  identityKey,
  type Newcomer,
  type RefusalReason,
  type ReportedEvent,
  RowRefused,
  type UserId,
} from '@presence/domain';

export interface UnknownUserSettings {
  /** What becomes of events about users that are not known. */
  readonly unknownUsers: 'refuse' | 'create';
  /** Whose subjects our own numbers are. */
  readonly ownIssuer: string;
}

/** Finds, or where it may creates, the users that events speak of. */
export class UserResolver {
  readonly #identities: IdentityStore;
  readonly #settings: UnknownUserSettings;

  constructor(identities: IdentityStore, settings: UnknownUserSettings) {
    this.#identities = identities;
    this.#settings = settings;
  }

  /** @returns how to tell the number of an event's user, or why there is none. */
  async resolver(
    events: readonly ReportedEvent[],
  ): Promise<(event: ReportedEvent) => UserId | RefusalReason> {
    const users = await this.#byIdentity(events);
    const refused = await this.#refusedNumbers(events);
    return ({ user, username }) => {
      if (typeof user !== 'number') return users.get(identityKey(user)) ?? 'unknown_user';
      return username === undefined ? user : (refused.get(user) ?? user);
    };
  }

  /** Those who are known by another name, and those who are made known by it. */
  async #byIdentity(
    events: readonly ReportedEvent[],
  ): Promise<ReadonlyMap<string, UserId | RefusalReason>> {
    const named = new Map<string, Identity>();
    for (const { user } of events) {
      if (typeof user !== 'number') named.set(identityKey(user), user);
    }
    if (named.size === 0) return new Map();
    const users = new Map<string, UserId | RefusalReason>(
      await this.#identities.resolve([...named.values()]),
    );
    const newcomers = new Map<string, Newcomer>();
    for (const { user, username } of this.#mayCreate ? events : []) {
      if (typeof user === 'number' || username === undefined) continue;
      const key = identityKey(user);
      if (!users.has(key) && !newcomers.has(key)) newcomers.set(key, newcomer(user, username));
    }
    for (const [key, user] of await this.#create([...newcomers.values()])) users.set(key, user);
    return users;
  }

  /**
   * Creates the users of numbers that nobody has, before their events are written: with these, the
   * progress of their messages is settled.
   * @returns those whom the database does not take, and why
   */
  async #refusedNumbers(
    events: readonly ReportedEvent[],
  ): Promise<ReadonlyMap<UserId, RefusalReason>> {
    const names = new Map<UserId, string>();
    for (const { user, username } of this.#mayCreate ? events : []) {
      if (typeof user !== 'number' || username === undefined || names.has(user)) continue;
      names.set(user, username);
    }
    const refused = new Map<UserId, RefusalReason>();
    if (names.size === 0) return refused;
    const unknown = await this.#identities.unknown([...names.keys()]);
    const created = await this.#create(
      unknown.map((id) => newcomer(this.#own(id), names.get(id)!)),
    );
    for (const id of unknown) {
      const user = created.get(identityKey(this.#own(id)));
      if (typeof user === 'string') refused.set(id, user);
    }
    return refused;
  }

  /** A number is the subject of the same digits of our own issuer. */
  #own(id: UserId): Identity {
    return { issuer: this.#settings.ownIssuer, subject: String(id) };
  }

  get #mayCreate(): boolean {
    return this.#settings.unknownUsers === 'create';
  }

  async #create(
    newcomers: readonly Newcomer[],
  ): Promise<ReadonlyMap<string, UserId | RefusalReason>> {
    if (newcomers.length === 0) return new Map();
    const users = await this.#identities.create(newcomers);
    return new Map(
      [...users].map(([key, user]) => [
        key,
        user instanceof RowRefused ? `database:${user.sqlState}` : user,
      ]),
    );
  }
}

function newcomer(identity: Identity, username: string): Newcomer {
  return { identity, profile: { username, email: null, role: 'user' } };
}
