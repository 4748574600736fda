import { randomUUID } from 'node:crypto';
import type { Duration, Millis, SessionId, TokenIssuer, User } from '@presence/domain';
import jsonwebtoken from 'jsonwebtoken';
import { type Claims, withClaim } from './claims.js';
import type { IssuerSettings } from './jwt-settings.js';

/** Signs access tokens that a {@link JwtVerifier} of the same configuration accepts. */
export class JwtIssuer implements TokenIssuer {
  readonly #settings: IssuerSettings;
  readonly #now: () => Millis;

  constructor(settings: IssuerSettings, now: () => Millis = Date.now) {
    this.#settings = settings;
    this.#now = now;
  }

  get accessTokenTtl(): Duration {
    return this.#settings.accessTokenTtl;
  }

  issue(user: User, sessionId: SessionId): string {
    const { signing } = this.#settings;
    const issuedAt = Math.floor(this.#now() / 1_000);
    const claims = {
      iss: this.#settings.issuer,
      aud: this.#settings.audience,
      sub: String(user.id),
      iat: issuedAt,
      exp: issuedAt + Math.ceil(this.accessTokenTtl / 1_000),
      token_type: 'access',
    };
    // Last: where the session is looked for there, it stands there.
    const payload = withClaim(this.#describe(claims, user, sessionId), 'jti', randomUUID());
    return jsonwebtoken.sign(payload, signing.key, { algorithm: signing.algorithm });
  }

  /**
   * Puts what the configuration looks for where it looks for it, and under the names of our own
   * contract as well: other services that read our tokens need not know of the former.
   */
  #describe(claims: Claims, user: User, sessionId: SessionId): Claims {
    const { claims: paths, adminRole } = this.#settings;
    const role = user.role === 'admin' ? adminRole : user.role;
    const described = [
      [paths.username, user.username],
      [paths.role, role],
      [paths.session, sessionId],
      ['username', user.username],
      ['role', user.role],
      ['sid', sessionId],
    ] as const;
    return described.reduce((all, [path, value]) => withClaim(all, path, value), claims);
  }
}
