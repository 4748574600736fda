import { createSecretKey, type KeyObject } from 'node:crypto';
import { JwtVerifier, type VerifierSettings } from '@presence/adapters/jwt';
import { Unauthenticated } from '@presence/domain';
import { expect } from 'chai';
import jsonwebtoken from 'jsonwebtoken';

export const NOW = Date.UTC(2026, 0, 15, 10, 30);
export const SECONDS = NOW / 1_000;
export const SECRET = createSecretKey(Buffer.from('a secret of the service, of 40 bytes, ok'));

export const SETTINGS: VerifierSettings = {
  secret: SECRET,
  publicKey: undefined,
  jwksUrl: undefined,
  algorithms: ['HS256'],
  issuers: ['presence'],
  audiences: ['presence'],
  claims: { username: 'username', email: 'email', role: 'role', session: 'sid' },
  adminRole: 'admin',
};

export const CLAIMS = { iss: 'presence', aud: 'presence', sub: '7', exp: SECONDS + 900 };

export type Claims = Record<string, unknown>;

export function sign(
  claims: Claims,
  key: KeyObject = SECRET,
  options: jsonwebtoken.SignOptions = {},
) {
  return jsonwebtoken.sign({ iat: SECONDS, ...claims }, key, options);
}

export function verifier(settings: Partial<VerifierSettings> = {}, now = () => NOW): JwtVerifier {
  return new JwtVerifier({ ...SETTINGS, ...settings }, { now, elapsed: now });
}

export async function refusal(verify: () => unknown): Promise<Error> {
  try {
    await verify();
  } catch (error) {
    return error as Error;
  }
  throw new Error('The token was accepted.');
}

export async function expectRefused(token: string, by: JwtVerifier = verifier()): Promise<void> {
  expect(await refusal(() => by.verify(token))).to.be.instanceOf(Unauthenticated);
}

/** Signs what jsonwebtoken would refuse to. */
export function signedJson(payload: unknown): string {
  return jsonwebtoken.sign(JSON.stringify(payload), SECRET, {
    header: { alg: 'HS256', typ: 'JWT' },
  });
}
