import { createHash, randomBytes } from 'node:crypto';

export interface RefreshToken {
  readonly text: string;
  readonly hash: Uint8Array;
}

/** 256 random bits: nothing to guess, so a plain hash is enough to store it by. */
export function newRefreshToken(): RefreshToken {
  const text = randomBytes(32).toString('base64url');
  return { text, hash: refreshHash(text) };
}

export function refreshHash(text: string): Uint8Array {
  return createHash('sha256').update(text).digest();
}
