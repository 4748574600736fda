import { execFileSync } from 'node:child_process';
import { chownSync } from 'node:fs';
import { mkdtemp } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { guardFolder } from './guard.js';

/** Whom a server runs as; empty: as ourselves. */
export interface Account {
  readonly uid?: number;
  readonly gid?: number;
}

/**
 * PostgreSQL refuses to run as root, and no server of the tests needs to: root steps down to the
 * account that the package made.
 */
export function accountFor(name: string): Account {
  if (process.getuid?.() !== 0) return {};
  return lookUp(name) ?? lookUp('nobody') ?? {};
}

function lookUp(name: string): Account | undefined {
  try {
    const ask = (flag: string) =>
      Number(execFileSync('id', [flag, name], { encoding: 'utf8', stdio: 'pipe' }));
    return { uid: ask('-u'), gid: ask('-g') };
  } catch {
    return undefined; // There is no such account.
  }
}

/** A folder that is removed when the test run ends. */
export async function temporaryFolder(name: string, owner: Account = {}): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), `presence-${name}-`));
  guardFolder(folder);
  if (owner.uid !== undefined) chownSync(folder, owner.uid, owner.gid ?? owner.uid);
  return folder;
}
