import { mkdir, readdir, readFile, stat, utimes, writeFile } from 'node:fs/promises';
import { hostname } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { FolderTaken, folderOwner, lockFolder } from '@presence/adapters/embedded';
import { type Child, startProcess, temporaryFolder } from '@presence/test-services';
import { expect } from 'chai';

describe('The lock of a data folder', () => {
  let folder: string;

  beforeEach(async () => {
    folder = join(await temporaryFolder('lock'), 'data');
  });

  async function lockInAnotherProcess(): Promise<Child> {
    const entry = fileURLToPath(new URL('folder-lock-process.js', import.meta.url));
    const child = startProcess(entry, { args: [folder] });
    await child.waitForOutput(/locked/);
    return child;
  }

  async function lockAndRelease(): Promise<void> {
    const lock = await lockFolder(folder, () => {});
    await lock.release();
  }

  /** What a process leaves behind that had no time to clean up. */
  async function leaveLock(owner: object): Promise<void> {
    await mkdir(join(folder, 'lock'), { recursive: true });
    await writeFile(join(folder, 'owner.json'), JSON.stringify(owner));
  }

  async function refusal(): Promise<FolderTaken> {
    const error = await lockFolder(folder, () => {}).then(
      () => undefined,
      (reason: unknown) => reason,
    );
    expect(error).to.be.instanceOf(FolderTaken);
    return error as FolderTaken;
  }

  it('makes a folder that nobody else may enter', async () => {
    await lockAndRelease();
    expect((await stat(folder)).mode & 0o077).to.equal(0);
  });

  it('refuses a second process and names the first, with the way to its database', async () => {
    const first = await lockInAnotherProcess();
    const { message, owner } = await refusal();
    expect(message).to.contain(`process ${first.pid}`);
    expect(owner?.database).to.equal('postgres://somewhere');
    await first.kill();
  });

  it('is free at once after its process was killed', async () => {
    const first = await lockInAnotherProcess();
    await first.kill();
    await lockAndRelease();
  });

  it('is free, and names nobody, after its process has let go', async () => {
    const first = await lockInAnotherProcess();
    first.endInput();
    await first.exited;
    expect(await folderOwner(folder)).to.equal(null);
    await lockAndRelease();
  });

  it('is free when the number of a dead process has gone to another', async () => {
    const alive = { pid: process.ppid, host: hostname(), since: '2026-01-01T00:00:00.000Z' };
    await leaveLock({ ...alive, birth: 'long ago' });
    await lockAndRelease();
  });

  it('is free to the next start in a container, which has the same number', async () => {
    await leaveLock({ pid: process.pid, host: hostname(), since: '2026-01-01T00:00:00.000Z' });
    await lockAndRelease();
  });

  it('holds while a process of another host may be alive', async () => {
    await leaveLock({ pid: 1, host: 'elsewhere', since: '2026-01-01T00:00:00.000Z' });
    expect((await refusal()).message).to.contain('process 1 on elsewhere');
  });

  it('holds while its process is stopped, for however long', async () => {
    const first = await lockInAnotherProcess();
    process.kill(first.pid, 'SIGSTOP');
    const longAgo = new Date(Date.now() - 3_600_000);
    await utimes(join(folder, 'lock'), longAgo, longAgo);
    expect((await refusal()).message).to.contain(`process ${first.pid}`);
    await first.kill();
    await lockAndRelease();
  });

  it('holds for a while where the number of its process is in use, and nobody knows since when', async () => {
    const nameless = { pid: process.ppid, host: hostname(), since: '2026-01-01T00:00:00.000Z' };
    await leaveLock({ ...nameless, birth: null });
    expect((await refusal()).message).to.contain(`process ${process.ppid}`);
    const longAgo = new Date(Date.now() - 3_600_000);
    await utimes(join(folder, 'lock'), longAgo, longAgo);
    await lockAndRelease();
  });

  it('goes to one of many that come after a dead process, and leaves nothing behind', async () => {
    const first = await lockInAnotherProcess();
    await first.kill();
    const entry = fileURLToPath(new URL('folder-lock-process.js', import.meta.url));
    const children = Array.from({ length: 6 }, () => startProcess(entry, { args: [folder] }));
    const outcomes = children.map((child) =>
      child.waitForOutput(/locked/).then(
        () => child,
        () => null,
      ),
    );
    const owners = (await Promise.all(outcomes)).filter((child) => child !== null);
    expect(owners).to.have.length(1);
    owners[0]!.endInput();
    await owners[0]!.exited;
    expect(await readdir(folder)).to.deep.equal([]);
  });

  it('leaves the modes of a folder that was there', async () => {
    await mkdir(folder, { mode: 0o755 });
    await lockAndRelease();
    expect((await stat(folder)).mode & 0o777).to.equal(0o755);
  });

  it('shows the address of the database to its own account alone', async () => {
    const lock = await lockFolder(folder, () => {});
    await lock.publish('postgres://somewhere');
    expect((await stat(join(folder, 'owner.json'))).mode & 0o077).to.equal(0);
    expect(await readFile(join(folder, 'owner.json'), 'utf8')).to.contain('somewhere');
    await lock.release();
  });
});
