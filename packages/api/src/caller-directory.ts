import {
  type AccessToken,
  type Duration,
  identityKey,
  type Profile,
  Unauthenticated,
  Unavailable,
  type UserId,
  type UserStore,
} from '@presence/domain';
import { LRUCache } from 'lru-cache';

/** One for each user, so in numbers that V8 keeps in place: whole and small. */
interface Known {
  readonly userId: UserId;
  readonly profile: Profile | null;
  /** Of the token that told the profile, in whole seconds: an older one must not take it back. */
  readonly expiresAt: number;
  /** By the monotonic clock, as all lengths of time here, in whole seconds too. */
  readonly checkedAt: number;
}

export interface DirectoryOptions {
  readonly users: Pick<UserStore, 'find'>;
  readonly ownIssuer: string;
}

/** More than are online at once; about 90 bytes each, and the profile of whoever has one. */
const MAX_KNOWN = 250_000;
/** After this long a user is looked up again: a removed one is noticed. */
const RECHECK_AFTER: Duration = 600_000;
/** Longer than a healthy database takes, shorter than a person notices. */
const PATIENCE: Duration = 250;
/** How long the database is left alone once it has not answered. */
const PAUSE: Duration = 1_000;

/** Finds the number of the user behind a token; the database is asked once a user, not once a request. */
export class CallerDirectory {
  readonly #options: DirectoryOptions;
  /** By our own number where the token says it, else by identity. */
  readonly #known = new LRUCache<UserId | string, Known>({ max: MAX_KNOWN });
  readonly #asked = new Map<UserId | string, Promise<UserId>>();
  #awayUntil = 0;

  constructor(options: DirectoryOptions) {
    this.#options = options;
  }

  /**
   * @returns the user's id, or `null` where only the database could tell and it is away.
   * @throws Unauthenticated where there is no such user and the token does not say enough to add one.
   */
  resolve(token: AccessToken): UserId | null | Promise<UserId | null> {
    const ownId = this.#ownId(token);
    const key = ownId ?? identityKey(token.identity);
    const known = this.#known.get(key);
    if (known !== undefined && this.#fresh(known, token)) return known.userId;
    const fallback = known?.userId ?? ownId;
    if (performance.now() < this.#awayUntil) return fallback;
    return this.#ask(key, token).catch((error: unknown) => this.#without(error, fallback));
  }

  #fresh(known: Known, { profile, expiresAt }: AccessToken): boolean {
    if (performance.now() - 1_000 * known.checkedAt > RECHECK_AFTER) return false;
    return seconds(expiresAt) <= known.expiresAt || sameProfile(known.profile, profile);
  }

  #without(error: unknown, fallback: UserId | null): UserId | null {
    if (!(error instanceof Unavailable)) throw error;
    this.#awayUntil = performance.now() + PAUSE;
    return fallback;
  }

  /** Requests of one user that arrive together are one question. */
  #ask(key: UserId | string, token: AccessToken): Promise<UserId> {
    const asked = this.#asked.get(key);
    if (asked !== undefined) return withinPatience(asked);
    const answer = this.#find(key, token).finally(() => this.#asked.delete(key));
    this.#asked.set(key, answer);
    return withinPatience(answer);
  }

  async #find(
    key: UserId | string,
    { identity, profile, expiresAt }: AccessToken,
  ): Promise<UserId> {
    const user = await this.#options.users.find(identity, profile);
    if (user === null) throw new Unauthenticated('The token is of nobody who is known here.');
    const told = profile === null ? this.#known.get(key) : undefined;
    this.#known.set(key, {
      userId: user.id,
      profile: told?.profile ?? profile,
      expiresAt: told?.expiresAt ?? seconds(expiresAt),
      checkedAt: seconds(performance.now()),
    });
    return user.id;
  }

  #ownId({ identity }: AccessToken): UserId | null {
    if (identity.issuer !== this.#options.ownIssuer) return null;
    if (!/^[1-9][0-9]{0,15}$/.test(identity.subject)) return null;
    const id = Number(identity.subject);
    return Number.isSafeInteger(id) ? id : null;
  }
}

function seconds(millis: number): number {
  return Math.floor(millis / 1_000);
}

async function withinPatience(answer: Promise<UserId>): Promise<UserId> {
  let timer: NodeJS.Timeout | undefined;
  const tooLate = new Promise<never>((_resolve, reject) => {
    timer = setTimeout(() => reject(new Unavailable('database')), PATIENCE);
  });
  return Promise.race([answer, tooLate]).finally(() => clearTimeout(timer));
}

function sameProfile(a: Profile | null, b: Profile | null): boolean {
  if (a === b || b === null) return true;
  return a?.username === b.username && a.email === b.email && a.role === b.role;
}
