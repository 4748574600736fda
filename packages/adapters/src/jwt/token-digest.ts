import { hash } from 'node:crypto';

/** SHA-256 of a token, base64url: 43 characters that stand for it. */
export function tokenDigest(token: string): string {
  return hash('sha256', token, 'base64url');
}
