import {
  type AccessToken,
  type Duration,
  identityKey,
  type Profile,
  RowRefused,
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

type Told = Pick<Known, 'profile' | 'expiresAt'>;

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
/** For how long nobody waits after somebody has in vain, and a database that is away is not asked. */
const PAUSE: Duration = 1_000;
/** With so many look-ups under way that nobody waits for, nobody is looked up: others need connections, too. */
const MAX_UNAWAITED = 32;

/** Finds the number of the user behind a token; the database is asked once a user, not once a request. */
export class CallerDirectory {
  readonly #options: DirectoryOptions;
  /**
   * By our own number where the token says it, else by identity. The first to go is whose look-up is
   * the longest ago, and so is due first; uses are not noted, which costs more than to find one.
   */
  readonly #known = new LRUCache<UserId | string, Known>({ max: MAX_KNOWN });
  readonly #asked = new Map<UserId | string, Promise<UserId>>();
  /** Those of the questions whose user is new, and whose request has gone on. */
  readonly #unawaited = new Map<UserId | string, Promise<UserId>>();
  /** By the monotonic clock, as the two that follow: whoever comes before does not wait. */
  #slowUntil = 0;
  /** Whoever comes before does not ask. */
  #awayUntil = 0;
  #answeredAt = 0;

  constructor(options: DirectoryOptions) {
    this.#options = options;
  }

  /**
   * @returns the user's id; where the database is away or slow, what the token says it is by itself,
   *   or `null` where it says nothing of the kind.
   * @throws Unauthenticated where there is no such user and the token does not say enough to add one.
   */
  resolve(token: AccessToken): UserId | null | Promise<UserId | null> {
    const ownId = this.#ownId(token);
    const key = ownId ?? identityKey(token.identity);
    const known = this.#known.peek(key);
    if (known !== undefined && this.#fresh(known, token)) return known.userId;
    const now = performance.now();
    const isLeftAlone = now < this.#awayUntil || this.#unawaited.size >= MAX_UNAWAITED;
    if (isLeftAlone) return known?.userId ?? ownId;
    if (now >= this.#slowUntil) return this.#waitFor(this.#ask(key, token), key, ownId);
    if (known === undefined) this.#unawaited.set(key, this.#ask(key, token));
    return known?.userId ?? ownId;
  }

  /**
   * The look-up of a new user whose request has gone on without it, under what the token says: it
   * ends with the number that is right. `undefined` where none is under way, as nearly always.
   */
  lookUp(token: AccessToken): Promise<UserId> | undefined {
    if (this.#unawaited.size === 0) return undefined;
    return this.#unawaited.get(this.#ownId(token) ?? identityKey(token.identity));
  }

  #fresh(known: Known, { profile, expiresAt }: AccessToken): boolean {
    if (performance.now() - 1_000 * known.checkedAt > RECHECK_AFTER) return false;
    return seconds(expiresAt) <= known.expiresAt || sameProfile(known.profile, profile);
  }

  /** Requests of one user that arrive together are one question. */
  #ask(key: UserId | string, token: AccessToken): Promise<UserId> {
    const asked = this.#asked.get(key);
    if (asked !== undefined) return asked;
    const askedAt = performance.now();
    const answer = this.#find(key, token).finally(() => {
      this.#asked.delete(key);
      this.#unawaited.delete(key);
    });
    const answered = () => {
      this.#answeredAt = performance.now();
    };
    answer.then(answered, (error: unknown) => {
      if (!(error instanceof Unavailable)) answered();
      else if (!this.#hasAnsweredSince(askedAt)) this.#awayUntil = performance.now() + PAUSE;
    });
    this.#asked.set(key, answer);
    return answer;
  }

  /** What fails, or is late, says nothing of the database where others have been answered since. */
  #hasAnsweredSince(askedAt: number): boolean {
    return this.#answeredAt > askedAt;
  }

  async #waitFor(
    answer: Promise<UserId>,
    key: UserId | string,
    ownId: UserId | null,
  ): Promise<UserId | null> {
    const since = performance.now();
    let timer: NodeJS.Timeout | undefined;
    const late = new Promise<null>((resolve) => {
      timer = setTimeout(() => resolve(null), PATIENCE);
    });
    try {
      const userId = await Promise.race([answer, late]);
      if (userId !== null) return userId;
      if (!this.#hasAnsweredSince(since)) this.#slowUntil = performance.now() + PAUSE;
    } catch (error) {
      if (!(error instanceof Unavailable)) throw error;
    } finally {
      clearTimeout(timer);
    }
    const known = this.#known.peek(key);
    if (known === undefined && this.#asked.has(key)) this.#unawaited.set(key, answer);
    return known?.userId ?? ownId;
  }

  async #find(
    key: UserId | string,
    { identity, profile, expiresAt }: AccessToken,
  ): Promise<UserId> {
    const said = { profile, expiresAt: seconds(expiresAt) };
    const known = this.#known.peek(key);
    const told = known !== undefined && isOlder(said, known) ? known : said;
    const user = await this.#options.users.find(identity, profile && told.profile).catch(notTaken);
    if (user === null) throw new Unauthenticated('The token is of nobody who is known here.');
    this.#known.set(key, {
      userId: user.id,
      profile: told.profile,
      expiresAt: told.expiresAt,
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

/** What is said where nothing was is never old; to say nothing always is. */
function isOlder(said: Told, known: Told): boolean {
  return said.profile === null || (known.profile !== null && said.expiresAt < known.expiresAt);
}

/** An index, a constraint or a trigger of the operator's keeps a new user out. */
function notTaken(error: unknown): never {
  if (!(error instanceof RowRefused)) throw error;
  const detail = `The token is of somebody whom the database does not take (${error.sqlState}).`;
  throw new Unauthenticated(detail, { cause: error });
}

function seconds(millis: number): number {
  return Math.floor(millis / 1_000);
}

function sameProfile(a: Profile | null, b: Profile | null): boolean {
  if (a === b || b === null) return true;
  return a?.username === b.username && a.email === b.email && a.role === b.role;
}
