import { randomBytes } from 'node:crypto';
import { link, readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';

/**
 * The secret that signs tokens where none is configured: made once, kept in the data folder, for
 * the eyes of this account alone.
 */
export async function keptSecret(folder: string): Promise<string> {
  const file = join(folder, 'jwt-secret');
  const kept = await read(file);
  if (kept !== null) return kept;
  const fresh = `${file}.${process.pid}`;
  await writeFile(fresh, `${randomBytes(48).toString('base64')}\n`, { mode: 0o600, flush: true });
  await link(fresh, file); // Whole or not at all, even when the process ends here.
  await rm(fresh);
  return (await readFile(file, 'utf8')).trim();
}

async function read(file: string): Promise<string | null> {
  try {
    return (await readFile(file, 'utf8')).trim();
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return null;
    throw error;
  }
}
