import {
  type Identity,
  type IdentityStore,
  identityKey,
  type RefusalReason,
  type ReportedEvent,
  RowRefused,
  type UserId,
} from '@presence/domain';
import type { HeldEvent } from './held-delivery.js';

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
    const unresolved = new Map<string, Identity>();
    for (const { user } of events) {
      if (typeof user !== 'number') unresolved.set(identityKey(user), user);
    }
    if (unresolved.size === 0) return ({ user }) => user as UserId;
    const found = await this.#identities.resolve([...unresolved.values()]);
    const users = new Map<string, UserId | RefusalReason>(found);
    for (const event of events) await this.#createMissing(event, users);
    return ({ user }) =>
      typeof user === 'number' ? user : (users.get(identityKey(user)) ?? 'unknown_user');
  }

  /**
   * Creates those whom no row knows, where that is allowed.
   * @returns whether there are any now, and whose events the database refuses to know of.
   */
  async createUnknown(
    unknown: ReadonlyMap<HeldEvent, RefusalReason>,
  ): Promise<{ created: boolean; refused: ReadonlyMap<HeldEvent, RefusalReason> }> {
    const users = new Map<UserId, UserId | RefusalReason>();
    const refused = new Map<HeldEvent, RefusalReason>();
    for (const event of this.#settings.unknownUsers === 'create' ? unknown.keys() : []) {
      const { username } = event.reported;
      if (unknown.get(event) !== 'unknown_user' || username === undefined) continue;
      const known = users.get(event.userId);
      const user = known ?? (await this.#create(this.#identityOf(event.reported), username));
      users.set(event.userId, user);
      if (typeof user === 'string') refused.set(event, user);
    }
    return { created: [...users.values()].some((user) => typeof user === 'number'), refused };
  }

  async #createMissing(
    { user, username }: ReportedEvent,
    users: Map<string, UserId | RefusalReason>,
  ): Promise<void> {
    if (typeof user === 'number' || username === undefined || users.has(identityKey(user))) return;
    if (this.#settings.unknownUsers === 'refuse') return;
    users.set(identityKey(user), await this.#create(user, username));
  }

  async #create(identity: Identity, username: string): Promise<UserId | RefusalReason> {
    try {
      return await this.#identities.create(identity, { username, email: null, role: 'user' });
    } catch (error) {
      if (error instanceof RowRefused) return `database:${error.sqlState}`;
      throw error;
    }
  }

  /** A number is the subject of the same digits of our own issuer. */
  #identityOf({ user }: ReportedEvent): Identity {
    if (typeof user !== 'number') return user;
    return { issuer: this.#settings.ownIssuer, subject: String(user) };
  }
}
