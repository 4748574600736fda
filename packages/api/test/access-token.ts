import type { AccessToken, Millis, User } from '@presence/domain';

export const OWN_ISSUER = 'presence';

export interface TokenFacts {
  readonly user?: User;
  readonly issuer?: string;
  readonly subject?: string;
  readonly username?: string | null;
  readonly role?: string;
  readonly sessionId?: string;
  readonly expiresAt?: Millis;
}

/** The text of an access token. */
export function token(facts: TokenFacts): string {
  const { user, issuer = OWN_ISSUER, subject = `${user?.id ?? 1}` } = facts;
  const role = facts.role ?? user?.role ?? 'user';
  const username = facts.username === undefined ? (user?.username ?? null) : facts.username;
  const verified: AccessToken = {
    identity: { issuer, subject },
    profile: username === null ? null : { username, email: null, role },
    role,
    sessionId: facts.sessionId ?? 'a-session',
    expiresAt: facts.expiresAt ?? Date.now() + 900_000,
  };
  return `good.${Buffer.from(JSON.stringify(verified)).toString('base64url')}`;
}

/** What a token says, or `null` for what is none. */
export function readToken(text: string): AccessToken | null {
  if (!/^good\.[\w-]+$/.test(text)) return null;
  return JSON.parse(Buffer.from(text.slice(5), 'base64url').toString());
}
