import { createSecretKey, generateKeyPairSync } from 'node:crypto';
import { JwtIssuer, JwtVerifier, tokenDigest, type VerifierSettings } from '@presence/adapters/jwt';
import type { AccessToken, User } from '@presence/domain';
import { expect } from 'chai';
import fc from 'fast-check';
import jsonwebtoken from 'jsonwebtoken';
import { claimAt, withClaim } from '../dist/jwt/claims.js';
import {
  CLAIMS,
  type Claims,
  expectRefused,
  NOW,
  SECONDS,
  SECRET,
  SETTINGS,
  sign,
  signedJson,
  verifier,
} from './jwt-tokens.js';

const AHMAD: User = { id: 7, username: 'ahmad', email: 'ahmad@example.com', role: 'admin' };

function verified(claims: Claims, settings: Partial<VerifierSettings> = {}): AccessToken {
  return verifier(settings).verify(sign({ ...CLAIMS, ...claims })) as AccessToken;
}

/** A token whose header is written by hand, as forgers do. */
function forged(header: Claims, claims: Claims, signature = ''): string {
  const part = (value: Claims) => Buffer.from(JSON.stringify(value)).toString('base64url');
  return `${part(header)}.${part(claims)}.${signature}`;
}

describe('A token verifier', () => {
  const rsa = generateKeyPairSync('rsa', { modulusLength: 2048 });

  it('accepts what an issuer of the same configuration signs', () => {
    const issuer = new JwtIssuer(
      {
        signing: { algorithm: 'HS256', key: SECRET },
        issuer: 'presence',
        audience: 'presence',
        claims: SETTINGS.claims,
        adminRole: 'admin',
        accessTokenTtl: 900_000,
      },
      () => NOW,
    );
    const token = issuer.issue(AHMAD, 'session 1');
    expect(verifier().verify(token)).to.deep.equal({
      identity: { issuer: 'presence', subject: '7' },
      profile: { username: 'ahmad', email: null, role: 'admin' },
      role: 'admin',
      sessionId: 'session 1',
      expiresAt: NOW + 900_000,
    });
    const claims = jsonwebtoken.decode(token) as Claims;
    expect(claims).to.include({ username: 'ahmad', role: 'admin', sid: 'session 1' });
    expect(claims).to.include({ token_type: 'access', iat: SECONDS });
    expect(token).not.to.contain(Buffer.from('ahmad@example.com').toString('base64url'));
  });

  it('reads our own tokens wherever the configuration looks for claims', () => {
    fc.assert(
      fc.property(
        fc.constantFrom('role', 'realm_access.roles', 'https://example.com/app.roles', 'sub.role'),
        fc.constantFrom('username', 'preferred_username', 'user.name'),
        fc.constantFrom('sid', 'jti', 'session.id'),
        fc.constantFrom('admin', 'superuser'),
        fc.constantFrom('admin', 'user', 'service'),
        (rolePath, usernamePath, sessionPath, adminRole, role) => {
          const paths = { role: rolePath, username: usernamePath, session: sessionPath };
          const claims = { ...SETTINGS.claims, ...paths };
          const signing = { algorithm: 'HS256', key: SECRET } as const;
          const own = { issuer: 'presence', audience: 'presence', accessTokenTtl: 900_000 };
          const issuer = new JwtIssuer({ ...own, signing, claims, adminRole }, () => NOW);
          const token = issuer.issue({ ...AHMAD, role }, 's');
          const access = verifier({ claims, adminRole }).verify(token) as AccessToken;
          expect(access.identity.subject).to.equal('7');
          expect(access.profile?.username).to.equal('ahmad');
          expect(access.sessionId).to.equal('s');
          expect(access.role).to.equal(rolePath === 'sub.role' ? 'user' : role);
        },
      ),
    );
  });

  describe('refuses', () => {
    it('a token without a signature (alg none)', async () => {
      await expectRefused(forged({ alg: 'none', typ: 'JWT' }, CLAIMS));
      await expectRefused(forged({ alg: 'None', typ: 'JWT' }, CLAIMS));
      await expectRefused(forged({ alg: 'HS256', typ: 'JWT' }, CLAIMS));
    });

    it('a token that is signed HS256 with the public key (RS to HS confusion)', async () => {
      const pem = rsa.publicKey.export({ format: 'pem', type: 'spki' });
      const token = sign(CLAIMS, createSecretKey(Buffer.from(pem)), { algorithm: 'HS256' });
      const publicOnly = { secret: undefined, publicKey: rsa.publicKey };
      await expectRefused(token, verifier({ ...publicOnly, algorithms: ['RS256'] }));
      await expectRefused(token, verifier({ ...publicOnly, algorithms: ['RS256', 'HS256'] }));
      await expectRefused(
        token,
        verifier({ publicKey: rsa.publicKey, algorithms: ['RS256', 'HS256'] }),
      );
    });

    it('an algorithm that is not configured, though the key is right', async () => {
      await expectRefused(sign(CLAIMS, SECRET, { algorithm: 'HS512' }));
      const token = sign(CLAIMS, rsa.privateKey, { algorithm: 'RS512' });
      const settings = { publicKey: rsa.publicKey, algorithms: ['RS256'] } as const;
      await expectRefused(token, verifier(settings));
    });

    it('a wrong key, issuer or audience', async () => {
      await expectRefused(sign(CLAIMS, createSecretKey(Buffer.from('x'.repeat(32)))));
      await expectRefused(sign({ ...CLAIMS, iss: 'someone' }));
      await expectRefused(sign({ ...CLAIMS, iss: ['presence'] }));
      await expectRefused(sign({ ...CLAIMS, aud: 'someone' }));
      await expectRefused(sign({ ...CLAIMS, aud: ['someone', 'else'] }));
      await expectRefused(sign({ iss: 'presence', sub: '7', exp: SECONDS + 900 }));
    });

    it('a token that has expired, is not valid yet, or never expires', async () => {
      await expectRefused(sign({ ...CLAIMS, exp: SECONDS }));
      await expectRefused(sign({ ...CLAIMS, nbf: SECONDS + 1 }));
      await expectRefused(sign({ iss: 'presence', aud: 'presence', sub: '7' }));
    });

    it('an expired token that it verified and remembers from when it was good', async () => {
      let now = NOW;
      const by = verifier({}, () => now);
      const token = sign(CLAIMS);
      expect(by.verify(token)).to.equal(by.verify(token));
      now = NOW + 899_999;
      expect(by.verify(token)).to.have.property('expiresAt', NOW + 900_000);
      now = NOW + 900_000;
      await expectRefused(token, by);
    });

    it('a changed token whose signature it has seen', async () => {
      const by = verifier();
      const token = sign(CLAIMS);
      by.verify(token);
      const [header, , signature] = token.split('.');
      const claims = Buffer.from(JSON.stringify({ ...CLAIMS, sub: '8' })).toString('base64url');
      await expectRefused(`${header}.${claims}.${signature}`, by);
    });

    it('a subject that is no text of 1 to 255 characters', async () => {
      for (const sub of [undefined, '', 7, null, ['7'], 'x'.repeat(256), 'a\0b', '\ud800']) {
        const claims: Claims = { ...CLAIMS, sub };
        await expectRefused(signedJson(claims));
      }
      expect(verified({ sub: '👻'.repeat(255) }).identity.subject).to.have.length(510);
    });

    it('a refresh token, and critical extensions', async () => {
      await expectRefused(sign({ ...CLAIMS, token_type: 'refresh' }));
      const header = {
        alg: 'HS256',
        crit: ['b64'],
        b64: false,
      } as unknown as jsonwebtoken.JwtHeader;
      await expectRefused(sign(CLAIMS, SECRET, { header }));
    });

    it('a good one with anything around it, be it known already', async () => {
      const by = verifier();
      const token = sign(CLAIMS);
      by.verify(token);
      for (const more of [' ', '\n', '\r\nPresence-Mode: passive', ',', '=', '.', '\0', 'é']) {
        await expectRefused(token + more, by);
        await expectRefused(more + token, by);
      }
    });

    it('whatever strangers may write there, with nothing but Unauthenticated', async () => {
      const by = verifier();
      const text = fc.oneof(fc.string(), fc.base64String(), fc.json());
      const part = text.map((value) => Buffer.from(value).toString('base64url'));
      const token = fc.oneof(
        text,
        fc.array(part, { maxLength: 4 }).map((parts) => parts.join('.')),
      );
      await fc.assert(
        fc.asyncProperty(token, (value) => expectRefused(value, by)),
        { numRuns: 500 },
      );
      await fc.assert(
        fc.asyncProperty(fc.jsonValue(), (value) => expectRefused(signedJson(value), by)),
      );
    });
  });

  describe('reads', () => {
    it('an audience among others', () => {
      expect(verified({ aud: ['account', 'presence'] }).identity.subject).to.equal('7');
    });

    it('no profile where there is no username', () => {
      expect(verified({ email: 'a@example.com' }).profile).to.equal(null);
      expect(verified({ username: 7 }).profile).to.equal(null);
      expect(verified({ username: 'ahmad', email: 7 }).profile).to.deep.equal({
        username: 'ahmad',
        email: null,
        role: 'user',
      });
    });

    it('the role as the configuration translates it', () => {
      expect(verified({}).role).to.equal('user');
      expect(verified({ role: 'editor' }).role).to.equal('editor');
      expect(verified({ role: ['editor', 'admin'] }).role).to.equal('admin');
      expect(verified({ role: ['service'] }).role).to.equal('service');
      expect(verified({ role: ['editor'] }).role).to.equal('user');
      expect(verified({ role: 'root' }, { adminRole: 'root' }).role).to.equal('admin');
      expect(verified({ role: 'admin' }, { adminRole: 'root' }).role).to.equal('user');
    });

    it('the session from sid, else jti, else the hash of the token', () => {
      expect(verified({ sid: 's', jti: 'j' }).sessionId).to.equal('s');
      expect(verified({ jti: 'j' }).sessionId).to.equal('j');
      expect(verified({ sid: 7, jti: '' }).sessionId).to.have.length(43);
      const token = sign(CLAIMS);
      const signed = token.slice(0, token.lastIndexOf('.'));
      expect(verifier().verify(token)).to.have.property('sessionId', tokenDigest(signed));
    });

    it('the same session however the same signature is written', () => {
      const by = verifier({ publicKey: rsa.publicKey, algorithms: ['RS256'] });
      const token = sign(CLAIMS, rsa.privateKey, { algorithm: 'RS256' });
      const alphabet = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_';
      // 2,048 bits fill 341 characters, and two bits of another: its other four say nothing.
      const last = alphabet.indexOf(token.at(-1)!);
      const again = token.slice(0, -1) + alphabet[last ^ 1];
      expect(by.verify(again)).to.deep.equal(by.verify(token));
    });

    it('an expiry beyond all calendars as the last moment that there is', () => {
      const token = signedJson({ ...CLAIMS, exp: 1e300 });
      expect(verifier().verify(token)).to.have.property(
        'expiresAt',
        Date.UTC(9999, 11, 31, 23, 59, 59, 999),
      );
    });

    it('roles where Keycloak writes them', () => {
      const token = {
        iss: 'https://sso.example.com/realms/shop',
        aud: ['presence', 'account'],
        sub: 'f:0b6d3f0e-93d4-4a3c:ahmad',
        typ: 'Bearer',
        azp: 'web',
        sid: '5f8d5d1c-2b6e-4a55-9f49-8b2d7b6f1a10',
        realm_access: { roles: ['offline_access', 'realm-admin'] },
        resource_access: { account: { roles: ['manage-account'] } },
        preferred_username: 'ahmad',
        email: 'ahmad@example.com',
      };
      const access = verified(token, {
        issuers: ['presence', token.iss],
        claims: { ...SETTINGS.claims, role: 'realm_access.roles', username: 'preferred_username' },
        adminRole: 'realm-admin',
      });
      expect(access).to.deep.equal({
        identity: { issuer: token.iss, subject: token.sub },
        profile: { username: 'ahmad', email: 'ahmad@example.com', role: 'admin' },
        role: 'admin',
        sessionId: token.sid,
        expiresAt: NOW + 900_000,
      });
    });

    it('roles where Auth0 writes them, under a name with dots', () => {
      const token = {
        iss: 'https://shop.eu.auth0.com/',
        aud: ['presence', 'https://shop.eu.auth0.com/userinfo'],
        sub: 'auth0|5f7c8ec7c33c6c004bbafe82',
        azp: 'web',
        scope: 'openid profile email',
        'https://example.com/roles': ['admin'],
        'https://example.com/user': { name: 'ahmad' },
      };
      const access = verified(token, {
        issuers: [token.iss],
        claims: {
          ...SETTINGS.claims,
          role: 'https://example.com/roles',
          username: 'https://example.com/user.name',
        },
      });
      expect(access.role).to.equal('admin');
      expect(access.profile?.username).to.equal('ahmad');
      expect(access.identity.subject).to.equal('auth0|5f7c8ec7c33c6c004bbafe82');
    });
  });

  it('remembers no more tokens than fit into its bytes', () => {
    const by = new JwtVerifier(SETTINGS, { now: () => NOW, cacheBytes: 3_000 });
    const first = sign({ ...CLAIMS, jti: 'first' });
    const access = by.verify(first);
    expect(by.verify(first)).to.equal(access);
    for (let n = 0; n < 10; n++) by.verify(sign({ ...CLAIMS, jti: `${n}` }));
    expect(by.verify(first)).not.to.equal(access);
    expect(by.cacheCounts).to.include({ hits: 1, misses: 12 });
    expect(by.cacheCounts.size).to.be.within(2, 7);
  });
});

describe('A claim path', () => {
  it('finds what was put there, and takes nothing else away', () => {
    const path = fc
      .array(fc.constantFrom('a', 'b', 'https://x', '__proto__'), { minLength: 1, maxLength: 4 })
      .map((names) => names.join('.'));
    fc.assert(
      fc.property(path, path, (first, second) => {
        const claims = withClaim({}, first, 1);
        expect(claimAt(claims, first)).to.equal(1);
        expect(claimAt(withClaim(claims, second, 2), first)).to.equal(1);
      }),
    );
  });

  it('finds nothing that a token does not say itself', () => {
    expect(claimAt({}, 'constructor.name')).to.equal(undefined);
    expect(claimAt({ a: [1] }, 'a.length')).to.equal(undefined);
    expect(claimAt({ a: 'text' }, 'a.length')).to.equal(undefined);
  });
});
