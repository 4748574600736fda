import { mkdir, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { hostname } from 'node:os';
import { join, resolve } from 'node:path';
import lockfile, { type LockOptions } from 'proper-lockfile';

/** Who has a data folder. */
export interface FolderOwner {
  readonly pid: number;
  readonly host: string;
  /** When it started, RFC 3339. */
  readonly since: string;
  /** What tells it from a later process of the same number, where the system says so. */
  readonly birth?: string | null;
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
 * Whoever has not touched its lock for so long is gone, where nobody can tell better: an owner on
 * another host, or on a system that does not say when a process began. Long, because making a
 * database blocks its process for seconds. On our own host we ask whether the process lives, which
 * one that is stopped, or slept with its machine, does.
 */
const STALE = 60_000;

/**
 * Starts take turns, so that nobody judges a lock whose owner has not said who it is. A turn takes
 * milliseconds; one whose process has died in it is waited for.
 */
const TURN = { stale: 5_000, retries: { retries: 60, minTimeout: 50, maxTimeout: 150 } };

/**
 * Makes a data folder ours alone until `release`, or until the process ends, in whatever way.
 * @param lost called when somebody has taken the lock away: nothing may be written any more.
 * @throws FolderTaken
 */
export async function lockFolder(at: string, lost: (error: Error) => void): Promise<FolderLock> {
  const folder = resolve(at);
  await mkdir(folder, { recursive: true, mode: 0o700 });
  const turn = { ...TURN, realpath: false, onCompromised: lost };
  const endTurn = await locked(folder, null, join(folder, 'starting'), turn);
  try {
    return await take(folder, lost);
  } finally {
    await endTurn();
  }
}

async function take(folder: string, lost: (error: Error) => void): Promise<FolderLock> {
  const path = join(folder, 'lock');
  const last = await folderOwner(folder);
  const life = last === null || last.host !== hostname() ? 'unknown' : await lifeOf(last);
  if (life === 'alive') throw new FolderTaken(folder, last);
  if (life === 'dead') await rm(path, { recursive: true, force: true });
  const options = { lockfilePath: path, stale: STALE, onCompromised: lost };
  const release = await locked(folder, last, folder, options);
  const owner = await ourselves();
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

/** @throws FolderTaken, which names `owner`, where somebody else has that lock */
async function locked(
  folder: string,
  owner: FolderOwner | null,
  file: string,
  options: LockOptions,
): Promise<() => Promise<void>> {
  return lockfile.lock(file, options).catch((error: NodeJS.ErrnoException) => {
    throw error.code === 'ELOCKED' ? new FolderTaken(folder, owner) : error;
  });
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

async function ourselves(): Promise<FolderOwner> {
  const { pid } = process;
  const since = new Date(Date.now() - process.uptime() * 1_000).toISOString();
  return { pid, host: hostname(), since, birth: await birthOf(pid) };
}

/**
 * A number may be in use again, most of all in containers, where every start gets the same: the
 * moment of birth tells processes apart, where the system says it.
 */
async function lifeOf({ pid, birth }: FolderOwner): Promise<'alive' | 'dead' | 'unknown'> {
  if (pid === process.pid || !exists(pid)) return 'dead';
  if (birth === undefined || birth === null) return 'unknown';
  return birth === (await birthOf(pid)) ? 'alive' : 'dead';
}

function exists(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'EPERM'; // It is there, and not ours.
  }
}

/** Clock ticks from boot to the start of a process that has not ended, on Linux; elsewhere `null`. */
async function birthOf(pid: number): Promise<string | null> {
  try {
    const stat = await readFile(`/proc/${pid}/stat`, 'utf8');
    const [state, ...fields] = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
    return state === 'Z' ? null : (fields[18] ?? null);
  } catch {
    return null;
  }
}

function describe(owner: FolderOwner | null): string {
  if (owner === null) return 'another process that is just starting';
  const where = owner.host === hostname() ? '' : ` on ${owner.host}`;
  return `process ${owner.pid}${where}, which has run since ${owner.since}`;
}
