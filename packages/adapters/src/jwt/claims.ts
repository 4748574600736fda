import type { AccessToken, Profile } from '@presence/domain';
import type { ClaimPath, ClaimPaths } from './jwt-settings.js';

export type Claims = Readonly<Record<string, unknown>>;

const MAX_TEXT = 255;

/**
 * The claim at a dotted path, or `undefined`. A claim's own name may hold dots, as namespaced
 * ones do: at each step the longest name that is there wins, so `https://example.com/roles`
 * names that claim, and `https://example.com/app.roles` the `roles` in `https://example.com/app`.
 */
export function claimAt(claims: unknown, path: ClaimPath): unknown {
  if (!isClaims(claims)) return undefined;
  if (Object.hasOwn(claims, path)) return claims[path];
  for (let dot = path.lastIndexOf('.'); dot > 0; dot = path.lastIndexOf('.', dot - 1)) {
    const found = claimAt(ownClaim(claims, path.slice(0, dot)), path.slice(dot + 1));
    if (found !== undefined) return found;
  }
  return undefined;
}

/** Adds a claim where {@link claimAt} will find it; nothing that is there already gives way. */
export function withClaim(claims: Claims, path: ClaimPath, value: unknown): Claims {
  const [name = path, ...rest] = path.split('.');
  const there = ownClaim(claims, name);
  if (rest.length === 0) return { [name]: value, ...claims };
  if (there !== undefined && !isClaims(there)) return claims;
  return { ...claims, [name]: withClaim(there ?? {}, rest.join('.'), value) };
}

/** Who the token says its user is; `null` where it gives no username. */
export function profileOf(claims: Claims, paths: ClaimPaths, role: string): Profile | null {
  const username = textAt(claims, paths.username);
  if (username === undefined) return null;
  return { username, email: textAt(claims, paths.email) ?? null, role };
}

/**
 * The role of one claim, or of an array: `admin` for the configured admin role, which nothing
 * else can stand for; `service`; the issuer's own word where there is just one; else `user`.
 */
export function roleOf(claims: Claims, path: ClaimPath, adminRole: string): AccessToken['role'] {
  const claim = claimAt(claims, path);
  const roles: unknown[] = Array.isArray(claim) ? claim : [claim];
  if (roles.includes(adminRole)) return 'admin';
  if (roles.includes('service')) return 'service';
  return isText(claim) && claim !== 'admin' ? claim : 'user';
}

/** The text at a path, or `undefined` where there is none that can be stored. */
export function textAt(claims: Claims, path: ClaimPath): string | undefined {
  const value = claimAt(claims, path);
  return isText(value) ? value : undefined;
}

/**
 * Text of 1 to 255 characters. PostgreSQL holds no NUL, and a lone surrogate has no UTF-8: it
 * would be stored as a replacement character, and two different subjects as one.
 */
export function isText(value: unknown): value is string {
  if (typeof value !== 'string' || value === '' || value.length > 2 * MAX_TEXT) return false;
  return [...value].length <= MAX_TEXT && !/\0|\p{Surrogate}/u.test(value);
}

export function isClaims(value: unknown): value is Claims {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function ownClaim(claims: Claims, name: string): unknown {
  return Object.hasOwn(claims, name) ? claims[name] : undefined;
}
