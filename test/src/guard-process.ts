import { rm } from 'node:fs/promises';
import { createInterface } from 'node:readline';
import { setTimeout as wait } from 'node:timers/promises';

const pids = new Set<number>();
const folders = new Set<string>();

const TOLD: Record<string, (what: string) => void> = {
  pid: (what) => pids.add(Number(what)),
  ended: (what) => pids.delete(Number(what)),
  folder: (what) => folders.add(what),
};

function signal(pid: number, name: NodeJS.Signals): boolean {
  try {
    process.kill(-pid, name);
    return true;
  } catch {
    return false; // It has ended already.
  }
}

async function cleanUp(): Promise<void> {
  // SIGQUIT is PostgreSQL's immediate shutdown: unlike SIGKILL it gives its shared memory back.
  for (const pid of pids) signal(pid, 'SIGQUIT');
  if (pids.size > 0) await wait(500);
  for (const pid of pids) signal(pid, 'SIGKILL');
  for (const folder of folders) await rm(folder, { recursive: true, force: true, maxRetries: 5 });
}

for (const name of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(name, () => {});

createInterface({ input: process.stdin })
  .on('line', (line) => {
    const space = line.indexOf(' ');
    TOLD[line.slice(0, space)]?.(line.slice(space + 1));
  })
  .on('close', () => void cleanUp());
