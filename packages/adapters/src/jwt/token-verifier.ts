import type { KeyObject } from 'node:crypto';
import {
  type AccessToken,
  type Millis,
  type TokenVerifier,
  Unauthenticated,
} from '@presence/domain';
import jsonwebtoken from 'jsonwebtoken';
import { type Claims, isClaims, isText, profileOf, roleOf, textAt } from './claims.js';
import type { Algorithm, VerifierSettings } from './jwt-settings.js';
import { PublishedKeys } from './published-keys.js';
import { tokenDigest } from './token-digest.js';
import { type CacheCounts, VerifiedTokens } from './verified-tokens.js';

/** About 120,000 tokens. */
const CACHE_BYTES = 64 * 1024 * 1024;

/** The end of the year 9999, the last that RFC 3339 can write. */
const LAST_MOMENT: Millis = 253_402_300_799_999;

export interface VerifierOptions {
  readonly cacheBytes?: number;
  readonly now?: () => Millis;
  /** Milliseconds by the monotonic clock, by which keys age. */
  readonly elapsed?: () => number;
}

/**
 * RFC 7515, 3.1. jsonwebtoken sees to it as well; but whoever knows a token takes the same text for
 * one without another look, so no other characters may ever be remembered.
 */
const COMPACT = /^[\w-]+\.[\w-]+\.[\w-]*$/;

interface Header {
  readonly alg: Algorithm;
  readonly kid: string | undefined;
}

/**
 * Verifies access tokens of every trusted issuer. What a token may be signed with is configured;
 * its header only picks among that. `exp` and `nbf` are taken at their word, without leeway: an
 * issuer and this service are expected to keep time, and an access token is short-lived anyway.
 */
export class JwtVerifier implements TokenVerifier {
  readonly #settings: VerifierSettings;
  readonly #verified: VerifiedTokens;
  readonly #published: PublishedKeys | undefined;
  readonly #now: () => Millis;

  constructor(settings: VerifierSettings, options: VerifierOptions = {}) {
    const { cacheBytes = CACHE_BYTES, now = Date.now, elapsed = () => performance.now() } = options;
    this.#settings = settings;
    this.#now = now;
    this.#verified = new VerifiedTokens(cacheBytes);
    if (settings.jwksUrl !== undefined) {
      this.#published = new PublishedKeys(settings.jwksUrl, elapsed, () => this.#verified.clear());
    }
  }

  /** How the cache of verified tokens has done since the start. */
  get cacheCounts(): CacheCounts {
    return this.#verified.counts;
  }

  /** Answers at once, unless keys must be fetched first. */
  verify(token: string): AccessToken | Promise<AccessToken> {
    const digest = tokenDigest(token);
    const known = this.#verified.get(digest, this.#now());
    if (known !== undefined) return known;
    const header = this.#header(token);
    const key = this.#key(header);
    if (key instanceof Promise)
      return key.then((found) => this.#admit(token, digest, header, found));
    return this.#admit(token, digest, header, key);
  }

  #header(token: string): Header {
    const { alg, kid, crit } = parsedHeader(token);
    const algorithm = this.#settings.algorithms.find((name) => name === alg);
    // RFC 7515, 4.1.11: extensions that are critical and not understood make a token invalid.
    if (algorithm === undefined || crit !== undefined)
      throw new Unauthenticated('Unknown algorithm.');
    return { alg: algorithm, kid: typeof kid === 'string' ? kid : undefined };
  }

  /** HS* only ever with the secret, all else only with public keys. */
  #key({ alg, kid }: Header): KeyObject | undefined | Promise<KeyObject | undefined> {
    if (alg.startsWith('HS')) return this.#settings.secret;
    const { publicKey } = this.#settings;
    if (this.#published === undefined || (kid === undefined && publicKey !== undefined))
      return publicKey;
    const found = this.#published.find(kid, alg);
    return found instanceof Promise ? found.then((key) => key ?? publicKey) : (found ?? publicKey);
  }

  #admit(token: string, digest: string, { alg }: Header, key: KeyObject | undefined): AccessToken {
    if (key === undefined) throw new Unauthenticated('No key for this token.');
    const claims = this.#claims(token, alg, key);
    this.#checkIssuer(claims, key);
    const access = this.#access(claims, token);
    this.#verified.set(digest, access);
    return access;
  }

  #claims(token: string, algorithm: Algorithm, key: KeyObject): Claims {
    const { issuers, audiences } = this.#settings;
    const claims = verified(token, key, {
      algorithms: [algorithm],
      issuer: [...issuers] as [string, ...string[]],
      audience: [...audiences] as [string, ...string[]],
      clockTimestamp: Math.floor(this.#now() / 1_000),
    });
    if (!isClaims(claims)) throw new Unauthenticated('The token holds no claims.');
    return claims;
  }

  /** Who publishes keys for others may not speak as us: our own tokens need our own key. */
  #checkIssuer({ iss }: Claims, key: KeyObject): void {
    const { issuers, secret, publicKey } = this.#settings;
    const hasOwnKey = secret !== undefined || publicKey !== undefined;
    const isOwnKey = key === secret || key === publicKey;
    if (issuers.length > 1 && iss === issuers[0] && hasOwnKey && !isOwnKey) {
      throw new Unauthenticated('The key is not of this issuer.');
    }
  }

  #access(claims: Claims, token: string): AccessToken {
    const { claims: paths, adminRole } = this.#settings;
    const { iss, sub, exp, token_type: type } = claims;
    if (type !== undefined && type !== 'access') throw new Unauthenticated('Not an access token.');
    if (typeof exp !== 'number') throw new Unauthenticated('The token never expires.');
    if (!isText(sub)) throw new Unauthenticated('The token has no usable subject.');
    const role = roleOf(claims, paths.role, adminRole);
    return {
      identity: { issuer: String(iss), subject: sub },
      profile: profileOf(claims, paths, role),
      role,
      sessionId: textAt(claims, paths.session) ?? textAt(claims, 'jti') ?? signedDigest(token),
      expiresAt: Math.min(Math.floor(exp * 1_000), LAST_MOMENT),
    };
  }
}

/**
 * Of what is signed alone: a signature can be written in several ways, in the bits of its last
 * character that say nothing (RFC 4648, 3.5), and ES256's with -s for s as well.
 */
function signedDigest(token: string): string {
  return tokenDigest(token.slice(0, token.lastIndexOf('.')));
}

function parsedHeader(token: string): Claims {
  if (!COMPACT.test(token)) throw new Unauthenticated('Not a token.');
  try {
    const header: unknown = JSON.parse(
      Buffer.from(token.split('.', 1)[0]!, 'base64url').toString(),
    );
    if (isClaims(header)) return header;
  } catch (error) {
    throw new Unauthenticated('Not a token.', { cause: error });
  }
  throw new Unauthenticated('Not a token.');
}

function verified(token: string, key: KeyObject, options: jsonwebtoken.VerifyOptions): unknown {
  try {
    return jsonwebtoken.verify(token, key, options);
  } catch (error) {
    throw new Unauthenticated('The token is not valid.', { cause: error });
  }
}
