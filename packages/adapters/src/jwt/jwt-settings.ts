import type { KeyObject } from 'node:crypto';
import type { Duration } from '@presence/domain';

/** The signature algorithms of RFC 7518 that a token may use; `none` is not among them. */
export const ALGORITHMS = [
  'HS256',
  'HS384',
  'HS512',
  'RS256',
  'RS384',
  'RS512',
  'PS256',
  'PS384',
  'PS512',
  'ES256',
  'ES384',
  'ES512',
] as const;

export type Algorithm = (typeof ALGORITHMS)[number];

/** Where in a token's payload a claim stands: see {@link claimAt}. */
export type ClaimPath = string;

export interface ClaimPaths {
  readonly username: ClaimPath;
  readonly email: ClaimPath;
  readonly role: ClaimPath;
  readonly session: ClaimPath;
}

/** What is trusted, and how tokens are read. At least one of the three keys is there. */
export interface VerifierSettings {
  /** Shared with issuers that sign with HS*. */
  readonly secret: KeyObject | undefined;
  /** Of the issuer that signs with RS*, PS* or ES*. */
  readonly publicKey: KeyObject | undefined;
  /** Where another issuer publishes its public keys (RFC 7517). */
  readonly jwksUrl: string | undefined;
  /** The only ones accepted, whatever a token's header says. */
  readonly algorithms: readonly Algorithm[];
  /** At least one. The first is our own: a decimal subject of it is our id itself. */
  readonly issuers: readonly string[];
  /** A token must be for one of them. */
  readonly audiences: readonly string[];
  readonly claims: ClaimPaths;
  /** The role, as issuers write it, that makes an admin. */
  readonly adminRole: string;
}

/** What our own tokens are signed with. */
export interface SigningKey {
  readonly algorithm: Algorithm;
  readonly key: KeyObject;
}

export interface IssuerSettings {
  readonly signing: SigningKey;
  readonly issuer: string;
  readonly audience: string;
  readonly claims: ClaimPaths;
  readonly adminRole: string;
  readonly accessTokenTtl: Duration;
}
