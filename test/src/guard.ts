import { spawn } from 'node:child_process';
import { fileURLToPath } from 'node:url';

/**
 * A process that outlives the test run by a moment: when the run ends, in whatever way, its input
 * ends, and it ends the servers and removes the folders that are still on its list.
 */
let input: NodeJS.WritableStream | undefined;

function tell(line: string): void {
  input ??= startGuard();
  input.write(`${line}\n`);
}

function startGuard(): NodeJS.WritableStream {
  const script = fileURLToPath(new URL('guard-process.js', import.meta.url));
  // Its own process group: Ctrl-C in a terminal must not reach it.
  const guard = spawn(process.execPath, [script], {
    detached: true,
    stdio: ['pipe', 'ignore', 'inherit'],
  });
  guard.unref();
  guard.stdin.on('error', () => {}); // Only at the very end, when there is nothing left to tell.
  (guard.stdin as unknown as { unref(): void }).unref();
  return guard.stdin;
}

/** Has a process ended, group and all, if this one does not come to it. */
export function guardProcess(pid: number): void {
  tell(`pid ${pid}`);
}

export function releaseProcess(pid: number): void {
  tell(`ended ${pid}`);
}

/** Has a temporary folder removed at the end. */
export function guardFolder(folder: string): void {
  tell(`folder ${folder}`);
}

/** Lets the guard do its work now. */
export function dismissGuard(): void {
  input?.end();
  input = undefined;
}
