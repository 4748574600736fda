import { spawn } from 'node:child_process';
import { access, chmod, rm, writeFile } from 'node:fs/promises';
import { findProgram } from './programs.js';

const POLICY = '/usr/sbin/policy-rc.d';
/** apt fails where another one runs, and tests run side by side; `.ci/run` holds it, too. */
const LOCK = '/tmp/presence-apt.lock';

/** Whether we are root on Debian or Ubuntu: a container or a build machine, where we may install. */
export function canInstall(): boolean {
  return process.getuid?.() === 0 && findProgram('apt-get') !== undefined;
}

/** Installs packages of the system, and says so; their services are not started. */
export async function install(
  packages: readonly string[],
  say: (text: string) => void,
): Promise<void> {
  say(`Installing ${packages.join(' and ')} with apt, because the tests need them …`);
  await withoutStartingServices(async () => {
    await apt(['update', '-q']);
    await apt(['install', '-y', '-q', '--no-install-recommends', ...packages]);
  });
}

/** Debian's packages ask this program whether they may start what they install; 101 is no. */
async function withoutStartingServices(work: () => Promise<void>): Promise<void> {
  if (await exists(POLICY)) return work(); // A container's own policy; it stays.
  await writeFile(POLICY, '#!/bin/sh\nexit 101\n');
  await chmod(POLICY, 0o755);
  try {
    await work();
  } finally {
    await rm(POLICY, { force: true });
  }
}

function apt(args: readonly string[]): Promise<void> {
  return new Promise((resolve, reject) => {
    const child = spawn('flock', [LOCK, 'apt-get', ...args], {
      stdio: ['ignore', 'inherit', 'inherit'],
      env: { ...process.env, DEBIAN_FRONTEND: 'noninteractive' },
    });
    child.once('error', reject);
    child.once('exit', (code) =>
      code === 0 ? resolve() : reject(new Error(`apt-get ${args[0]} ended with ${code}.`)),
    );
  });
}

async function exists(file: string): Promise<boolean> {
  return access(file).then(
    () => true,
    () => false,
  );
}
