import { randomUUID } from 'node:crypto';
import { mkdir, readFile, rename, rm, stat, writeFile } from 'node:fs/promises';
import { hostname } from 'node:os';
import { join, resolve } from 'node:path';
import lockfile from 'proper-lockfile';

/** Who has a data folder. */
export interface FolderOwner {
  readonly pid: number;
  readonly host: string;
  /** When it started, RFC 3339. */
  readonly since: string;
  /** What tells it from a later process of the same number, where the system says so. */
  readonly birth?: string | null;
  /** Which lock it has: where there is another, whoever has that one has not said so yet. */
  readonly lock?: string;
  /** How other processes of this account reach its database. */
  readonly database?: string;
}

/** The data folder is somebody else's. Stop that process, or choose another folder. */
export class FolderTaken extends Error {
  override readonly name = 'FolderTaken';
  constructor(
    readonly folder: string,
    readonly owner: FolderOwner | null,
  ) {
    super(`The data folder ${folder} is in use by ${describe(owner)}.`);
  }
}

export interface FolderLock {
  readonly folder: string;
  /** Lets others know how to reach the database. */
  publish(database: string): Promise<void>;
  release(): Promise<void>;
}

/**
 * An owner on another host that has not touched its lock for so long is gone. Long, because making
 * a database blocks its process for seconds; on our own host we ask whether the process lives, which
 * one that is stopped, or slept with its machine, does.
 */
const STALE = 60_000;

/**
 * Makes a data folder ours alone until `release`, or until the process ends, in whatever way.
 * @param lost called when somebody has taken the lock away: nothing may be written any more.
 * @throws FolderTaken
 */
export async function lockFolder(at: string, lost: (error: Error) => void): Promise<FolderLock> {
  const folder = resolve(at);
  await mkdir(folder, { recursive: true, mode: 0o700 });
  const path = join(folder, 'lock');
  await clear(folder, path);
  const options = { lockfilePath: path, stale: STALE, onCompromised: lost };
  const release = await lockfile.lock(folder, options).catch(async (error: unknown) => {
    if ((error as NodeJS.ErrnoException).code !== 'ELOCKED') throw error;
    throw new FolderTaken(folder, await holder(folder, await identityOf(path)));
  });
  const owner = await ourselves(path);
  await writeOwner(folder, owner);
  return {
    folder,
    publish: (database) => writeOwner(folder, { ...owner, database }),
    release: async () => {
      await rm(ownerFile(folder), { force: true });
      await release();
    },
  };
}

/** Who has the folder, or had it last; `null` where nobody says so. */
export async function folderOwner(at: string): Promise<FolderOwner | null> {
  try {
    return JSON.parse(await readFile(ownerFile(resolve(at)), 'utf8')) as FolderOwner;
  } catch {
    return null; // Never used, left in order, or about to be written.
  }
}

/** Whole at every moment: others read it while it is written. */
async function writeOwner(folder: string, owner: FolderOwner): Promise<void> {
  const file = ownerFile(folder);
  await writeFile(`${file}.new`, `${JSON.stringify(owner, null, 2)}\n`, { mode: 0o600 });
  await rename(`${file}.new`, file);
}

function ownerFile(folder: string): string {
  return join(folder, 'owner.json');
}

async function ourselves(path: string): Promise<FolderOwner> {
  const { pid } = process;
  const since = new Date(Date.now() - process.uptime() * 1_000).toISOString();
  const lock = await identityOf(path);
  const owner = { pid, host: hostname(), since, birth: await birthOf(pid) };
  return lock === null ? owner : { ...owner, lock };
}

/**
 * Takes away what a process of this host has left that is no more.
 * @throws FolderTaken where it lives, however long ago it has touched its lock
 */
async function clear(folder: string, path: string): Promise<void> {
  const lock = await identityOf(path);
  const owner = lock === null ? null : await holder(folder, lock);
  if (owner === null || owner.host !== hostname()) return; // Its age decides.
  if (await isAlive(owner)) throw new FolderTaken(folder, owner);
  // Somebody else may just have done the same, and taken it: what is moved away is looked at.
  const away = `${path}.${randomUUID()}`;
  await rename(path, away).catch(unlessGone);
  const moved = await identityOf(away);
  if (moved !== null && moved !== lock) {
    await rename(away, path);
    throw new FolderTaken(folder, null);
  }
  await rm(away, { recursive: true, force: true });
}

/** Who says of himself that he has this lock; `null` where nobody has said so yet. */
async function holder(folder: string, lock: string | null): Promise<FolderOwner | null> {
  const owner = await folderOwner(folder);
  return owner?.lock === undefined || owner.lock === lock ? owner : null;
}

/** What tells a lock from the one before it, whose inode it may have; `null` where there is none. */
async function identityOf(path: string): Promise<string | null> {
  const found = await stat(path, { bigint: true }).catch(unlessGone);
  return found ? `${found.ino}-${found.birthtimeNs}` : null;
}

function unlessGone(error: unknown): void {
  if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error;
}

/**
 * A number may be in use again, most of all in containers, where every start gets the same: the
 * moment of birth tells processes apart.
 */
async function isAlive(owner: FolderOwner): Promise<boolean> {
  if (owner.pid === process.pid || !exists(owner.pid)) return false;
  return owner.birth === undefined || owner.birth === (await birthOf(owner.pid));
}

function exists(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'EPERM'; // It is there, and not ours.
  }
}

/** Clock ticks from boot to the start of a process, on Linux; elsewhere `null`. */
async function birthOf(pid: number): Promise<string | null> {
  try {
    const stat = await readFile(`/proc/${pid}/stat`, 'utf8');
    return stat.slice(stat.lastIndexOf(')') + 2).split(' ')[19] ?? null;
  } catch {
    return null;
  }
}

function describe(owner: FolderOwner | null): string {
  if (owner === null) return 'another process that is just starting';
  const where = owner.host === hostname() ? '' : ` on ${owner.host}`;
  return `process ${owner.pid}${where}, which has run since ${owner.since}`;
}
