import { randomBytes } from 'node:crypto';
import { availableParallelism } from 'node:os';
import { hash, verify } from '@node-rs/argon2';
import type { PasswordHasher } from '@presence/domain';
import { Turns } from '../process/turns.js';

/**
 * Argon2id, the library's default, at the least that OWASP's Password Storage Cheat Sheet asks
 * for: 19 MiB, two passes, one lane. About 25 ms of one core.
 */
const COST = { memoryCost: 19_456, timeCost: 2, parallelism: 1, outputLen: 32 };

/** Node's pool has four threads, on which host names are looked up and files are read as well. */
const MAX_AT_ONCE = 3;

/**
 * Hashes passwords beside the event loop, a few at once: by default one core, and one thread of
 * Node's pool, are left to everything else, so that a rush of logins makes logins wait and not
 * heartbeats. Passwords are compared in Unicode's form NFC (RFC 8265, 4.2): keyboards differ in
 * how they spell an é.
 */
export class Argon2Hasher implements PasswordHasher {
  readonly #turns: Turns;
  readonly #nobody = unmatched();

  constructor(atOnce = Math.max(1, Math.min(availableParallelism() - 1, MAX_AT_ONCE))) {
    this.#turns = new Turns(atOnce);
  }

  hash(password: string): Promise<string> {
    return this.#turns.run(() => hash(password.normalize('NFC'), COST));
  }

  async verify(hashed: string | null, password: string): Promise<boolean> {
    const normal = password.normalize('NFC');
    const matches = await this.#turns.run(() => verify(hashed ?? this.#nobody, normal));
    return matches && hashed !== null;
  }
}

/** A hash of no password, as costly to compare with as a real one. */
function unmatched(): string {
  const { memoryCost, timeCost, parallelism, outputLen } = COST;
  const random = (bytes: number) => randomBytes(bytes).toString('base64').replaceAll('=', '');
  const cost = `m=${memoryCost},t=${timeCost},p=${parallelism}`;
  return `$argon2id$v=19$${cost}$${random(16)}$${random(outputLen)}`;
}
