import type { KeyObject } from 'node:crypto';
import { createPublicKey } from 'node:crypto';
import type { Duration } from '@presence/domain';
import {
  ALGORITHMS,
  type Algorithm,
  type SigningKey,
  type VerifierSettings,
} from '../jwt/jwt-settings.js';
import { algorithmsOf, isPair, privateKey, publicKey, secretKey } from './keys.js';
import { settingsGroup } from './settings-group.js';
import { choices, duration, list, text, url } from './validators.js';
import { orFile } from './value-file.js';

export interface TokenSettings extends VerifierSettings {
  /** `null`: nothing to sign with, so there is neither login nor refresh. */
  readonly signing: SigningKey | null;
}

export interface SessionSettings {
  readonly accessTokenTtl: Duration;
  readonly refreshTokenTtl: Duration;
  readonly refreshReuseGrace: Duration;
}

/** What JWKS endpoints in the wild hold; a key is used only with what its own type allows. */
const JWKS_ALGORITHMS: readonly Algorithm[] = ['RS256', 'PS256', 'ES256'];

/** JWT_ISSUER alone, for processes that know users by their issuer but read no tokens. */
const issuer = {
  /** Whose tokens count. The first is our own: a decimal subject of it is our id itself. */
  JWT_ISSUER: list({ default: ['presence'] }),
};

export const issuerSettings = settingsGroup({
  specs: issuer,
  settings: ({ JWT_ISSUER: issuers }) => ({ issuers, ownIssuer: issuers[0] ?? '' }),
});

export const tokenSettings = settingsGroup({
  specs: {
    ...issuer,
    /** Shared with everybody that signs with HS*; signs our own tokens. */
    JWT_SECRET: orFile(secretKey({ default: undefined })),
    /** PEM. Verifies RS*, PS* or ES*. */
    JWT_PUBLIC_KEY: orFile(publicKey({ default: undefined })),
    /** PEM. Signs our own tokens, rather than the secret. */
    JWT_PRIVATE_KEY: orFile(privateKey({ default: undefined })),
    /** Another issuer's public keys, as it publishes and rotates them. */
    JWT_JWKS_URL: url(['https', 'http'])({ default: undefined }),
    /** Those accepted. By default those that the keys are for: HS256, RS256, ES256 and PS256. */
    JWT_ALGORITHMS: choices(ALGORITHMS)({ default: undefined }),
    /** A token must be for one of them; ours are for the first. */
    JWT_AUDIENCE: list({ default: ['presence'] }),
    /** Dotted paths into the payload, where another issuer's tokens say who the user is. */
    JWT_CLAIM_USERNAME: text({ default: 'username' }),
    JWT_CLAIM_EMAIL: text({ default: 'email' }),
    /** One role, or an array of roles. */
    JWT_CLAIM_ROLE: text({ default: 'role' }),
    JWT_CLAIM_SESSION: text({ default: 'sid' }),
    /** The role that makes an admin, as the issuer writes it. */
    JWT_ADMIN_ROLE: text({ default: 'admin' }),
  },
  checks: [
    {
      of: ['JWT_SECRET', 'JWT_PUBLIC_KEY', 'JWT_PRIVATE_KEY', 'JWT_JWKS_URL'],
      fault: (keys) =>
        verificationKeys(keys).length === 0 && keys.JWT_JWKS_URL === undefined
          ? 'is missing. Set it, JWT_PUBLIC_KEY or JWT_JWKS_URL: no token could be verified.'
          : undefined,
    },
    {
      of: ['JWT_PRIVATE_KEY', 'JWT_PUBLIC_KEY'],
      fault: ({ JWT_PRIVATE_KEY: own, JWT_PUBLIC_KEY: known }) =>
        own !== undefined && known !== undefined && !isPair(own, known)
          ? 'does not belong to JWT_PUBLIC_KEY: tokens of ours would be refused. Set a pair.'
          : undefined,
    },
    {
      of: ['JWT_ALGORITHMS', 'JWT_SECRET', 'JWT_PUBLIC_KEY', 'JWT_PRIVATE_KEY', 'JWT_JWKS_URL'],
      fault: (keys) => unusableAlgorithm(keys) ?? unusedKey(keys),
    },
  ],
  settings: (values): TokenSettings => ({
    secret: values.JWT_SECRET,
    publicKey: publicKeyOf(values),
    jwksUrl: values.JWT_JWKS_URL,
    algorithms: algorithms(values),
    issuers: values.JWT_ISSUER,
    audiences: values.JWT_AUDIENCE,
    claims: {
      username: values.JWT_CLAIM_USERNAME,
      email: values.JWT_CLAIM_EMAIL,
      role: values.JWT_CLAIM_ROLE,
      session: values.JWT_CLAIM_SESSION,
    },
    adminRole: values.JWT_ADMIN_ROLE,
    signing: signingKey(values),
  }),
});

export const sessionSettings = settingsGroup({
  specs: {
    /** How long an access token is good for. */
    ACCESS_TOKEN_TTL: duration({ min: 1_000, max: 86_400_000 })({ default: 900_000 }),
    /** How long a session lives after its last refresh. */
    REFRESH_TOKEN_TTL: duration({ min: 1_000, max: 400 * 86_400_000 })({ default: 2_592_000_000 }),
    /** For how long the directly preceding refresh token may be repeated: its answer was lost. */
    REFRESH_REUSE_GRACE: duration({ min: 0, max: 600_000 })({ default: 10_000 }),
  },
  checks: [
    {
      of: ['REFRESH_TOKEN_TTL', 'ACCESS_TOKEN_TTL'],
      fault: ({ REFRESH_TOKEN_TTL: refresh, ACCESS_TOKEN_TTL: access }) =>
        refresh < access
          ? 'is shorter than ACCESS_TOKEN_TTL: a session would end before its access token.'
          : undefined,
    },
  ],
  settings: (values): SessionSettings => ({
    accessTokenTtl: values.ACCESS_TOKEN_TTL,
    refreshTokenTtl: values.REFRESH_TOKEN_TTL,
    refreshReuseGrace: values.REFRESH_REUSE_GRACE,
  }),
});

interface Keys {
  readonly JWT_SECRET: KeyObject | undefined;
  readonly JWT_PUBLIC_KEY: KeyObject | undefined;
  readonly JWT_PRIVATE_KEY: KeyObject | undefined;
  readonly JWT_JWKS_URL: string | undefined;
  readonly JWT_ALGORITHMS: readonly Algorithm[] | undefined;
}

/** A private key alone is enough: the public half can be computed from it. */
function publicKeyOf({ JWT_PUBLIC_KEY: known, JWT_PRIVATE_KEY: own }: Keys): KeyObject | undefined {
  return known ?? (own && createPublicKey(own));
}

function verificationKeys(keys: Keys): KeyObject[] {
  return [keys.JWT_SECRET, publicKeyOf(keys)].filter((key) => key !== undefined);
}

function algorithms(keys: Keys): readonly Algorithm[] {
  return keys.JWT_ALGORITHMS ?? [...new Set(defaultAlgorithms(keys))];
}

function defaultAlgorithms(keys: Keys): Algorithm[] {
  const own = verificationKeys(keys).flatMap((key) => algorithmsOf(key).slice(0, 1));
  return keys.JWT_JWKS_URL === undefined ? own : [...own, ...JWKS_ALGORITHMS];
}

function usableAlgorithms(keys: Keys): readonly Algorithm[] {
  const own = verificationKeys(keys).flatMap((key) => algorithmsOf(key));
  const published = ALGORITHMS.filter((name) => !name.startsWith('HS'));
  return keys.JWT_JWKS_URL === undefined ? own : [...own, ...published];
}

function unusableAlgorithm(keys: Keys): string | undefined {
  const usable = usableAlgorithms(keys);
  const unusable = algorithms(keys).find((name) => !usable.includes(name));
  return unusable && `names ${unusable}, for which there is no key. Set the key or leave it out.`;
}

function unusedKey(keys: Keys): string | undefined {
  const accepted = algorithms(keys);
  const idle = (key: KeyObject | undefined) =>
    key !== undefined && !algorithmsOf(key).some((name) => accepted.includes(name));
  if (idle(keys.JWT_SECRET)) return 'leaves JWT_SECRET without an algorithm. Add HS256.';
  const own = publicKeyOf(keys);
  const missing = own && algorithmsOf(own)[0];
  return idle(own) ? `leaves the public key without an algorithm. Add ${missing}.` : undefined;
}

function signingKey(keys: Keys): SigningKey | null {
  const key = keys.JWT_PRIVATE_KEY ?? keys.JWT_SECRET;
  if (key === undefined) return null;
  const algorithm = algorithmsOf(key).find((name) => algorithms(keys).includes(name));
  return algorithm === undefined ? null : { algorithm, key };
}
