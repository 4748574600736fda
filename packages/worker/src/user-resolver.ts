import {
  type Identity,
  type IdentityStore,
  identityKey,
  type Profile,
  type RefusalReason,
  type ReportedEvent,
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

  /** @returns how to tell the number of an event's user, `undefined` where it is not known. */
  async resolver(
    events: readonly ReportedEvent[],
  ): Promise<(event: ReportedEvent) => UserId | undefined> {
    const unresolved = new Map<string, Identity>();
    for (const { user } of events) {
      if (typeof user !== 'number') unresolved.set(identityKey(user), user);
    }
    if (unresolved.size === 0) return ({ user }) => user as UserId;
    const ids = new Map(await this.#identities.resolve([...unresolved.values()]));
    for (const event of events) await this.#createMissing(event, ids);
    return ({ user }) => (typeof user === 'number' ? user : ids.get(identityKey(user)));
  }

  /** Creates those whom no row knows, where that is allowed. @returns whether there were any. */
  async createUnknown(
    events: readonly HeldEvent[],
    refused: ReadonlyMap<HeldEvent, RefusalReason>,
  ): Promise<boolean> {
    if (refused.size === 0 || this.#settings.unknownUsers === 'refuse') return false;
    const created = new Set<UserId>();
    for (const event of events) {
      const { userId, reported } = event;
      if (refused.get(event) !== 'unknown_user' || created.has(userId)) continue;
      if (reported.username === undefined) continue;
      await this.#identities.create(this.#identityOf(reported), profileOf(reported.username));
      created.add(userId);
    }
    return created.size > 0;
  }

  async #createMissing(event: ReportedEvent, ids: Map<string, UserId>): Promise<void> {
    const { user, username } = event;
    if (typeof user === 'number' || username === undefined || ids.has(identityKey(user))) return;
    if (this.#settings.unknownUsers === 'refuse') return;
    ids.set(identityKey(user), await this.#identities.create(user, profileOf(username)));
  }

  /** A number is the subject of the same digits of our own issuer. */
  #identityOf({ user }: ReportedEvent): Identity {
    if (typeof user !== 'number') return user;
    return { issuer: this.#settings.ownIssuer, subject: String(user) };
  }
}

function profileOf(username: string): Profile {
  return { username, email: null, role: 'user' };
}
