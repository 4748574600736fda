import { createPublicKey, type KeyObject } from 'node:crypto';
import { type Duration, Unavailable } from '@presence/domain';
import jwksRsa from 'jwks-rsa';

/** How soon an unknown key id may have the set fetched again. */
const REFETCH_AFTER: Duration = 30_000;

/** The same while there is no set at all: nobody can be let in. */
const FIRST_FETCH_AFTER: Duration = 1_000;

/** How old a set gets before it is fetched anew beside the requests: withdrawn keys must go. */
const REFRESH_AFTER: Duration = 600_000;

const FETCH_TIMEOUT: Duration = 5_000;

interface PublishedKey {
  readonly key: KeyObject;
  /** The one algorithm that its issuer allows it for; `undefined`: any that fits its type. */
  readonly algorithm: string | undefined;
}

type KeySet = ReadonlyMap<string | undefined, PublishedKey>;

/**
 * Another issuer's public keys, by key id. Unknown ids have the set fetched again, at most every
 * 30 s whatever tokens strangers send; concurrent ones share a fetch; the last good set is kept.
 */
export class PublishedKeys {
  readonly #client: jwksRsa.JwksClient;
  readonly #elapsed: () => number;
  readonly #withdrawn: () => void;
  #keys: KeySet | undefined;
  #fetchedAt = Number.NEGATIVE_INFINITY;
  #triedAt = Number.NEGATIVE_INFINITY;
  #fetching: Promise<void> | undefined;

  /**
   * @param elapsed milliseconds by a monotonic clock.
   * @param withdrawn called when a key is gone that was trusted before.
   */
  constructor(url: string, elapsed: () => number, withdrawn: () => void) {
    this.#client = jwksRsa({ jwksUri: url, fetcher: fetchKeys, cache: false, rateLimit: false });
    this.#elapsed = elapsed;
    this.#withdrawn = withdrawn;
  }

  /**
   * The key for a token's header, at once where it is known; `undefined` where there is none.
   * @throws Unavailable where no set could ever be fetched
   */
  find(keyId: string | undefined, algorithm: string): Found | Promise<Found> {
    const known = this.#known(keyId);
    if (known === undefined) return this.#fetchAndFind(keyId, algorithm);
    if (this.#elapsed() - this.#fetchedAt > REFRESH_AFTER) void this.#refetch();
    return usable(known, algorithm);
  }

  async #fetchAndFind(keyId: string | undefined, algorithm: string): Promise<Found> {
    await this.#refetch();
    if (this.#keys === undefined) throw new Unavailable('keys');
    return usable(this.#known(keyId), algorithm);
  }

  /** A token without a key id can only mean the one key of a set of one. */
  #known(keyId: string | undefined): PublishedKey | undefined {
    if (this.#keys === undefined) return undefined;
    if (keyId !== undefined) return this.#keys.get(keyId);
    return this.#keys.size === 1 ? [...this.#keys.values()][0] : undefined;
  }

  async #refetch(): Promise<void> {
    const pause = this.#keys === undefined ? FIRST_FETCH_AFTER : REFETCH_AFTER;
    if (this.#fetching === undefined) {
      if (this.#elapsed() - this.#triedAt < pause) return;
      this.#triedAt = this.#elapsed();
      this.#fetching = this.#fetch().finally(() => {
        this.#fetching = undefined;
      });
    }
    await this.#fetching;
  }

  /** A set that cannot be fetched, or holds no key, changes nothing. */
  async #fetch(): Promise<void> {
    const published = await this.#client.getSigningKeys().catch(() => undefined);
    if (published === undefined) return;
    const before = this.#keys;
    this.#keys = keySet(published);
    this.#fetchedAt = this.#elapsed();
    if (before !== undefined && !isSubset(before, this.#keys)) this.#withdrawn();
  }
}

type Found = KeyObject | undefined;

function usable(published: PublishedKey | undefined, algorithm: string): Found {
  if (published === undefined) return undefined;
  const { key, algorithm: only } = published;
  return only === undefined || only === algorithm ? key : undefined;
}

function keySet(published: readonly jwksRsa.SigningKey[]): KeySet {
  const keys = new Map<string | undefined, PublishedKey>();
  for (const { kid, alg, getPublicKey } of published) {
    keys.set(kid, { key: createPublicKey(getPublicKey()), algorithm: alg });
  }
  return keys;
}

function isSubset(before: KeySet, after: KeySet): boolean {
  return [...before].every(([kid, { key }]) => after.get(kid)?.key.equals(key));
}

/** In place of the library's own request, whose timeout a dripping answer outlives. */
async function fetchKeys(url: string): Promise<{ keys: unknown }> {
  const response = await fetch(url, {
    headers: { accept: 'application/json' },
    signal: AbortSignal.timeout(FETCH_TIMEOUT),
  });
  if (!response.ok) throw new Error(`The key set answers with status ${response.status}.`);
  return (await response.json()) as { keys: unknown };
}
