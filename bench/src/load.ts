import { execFile } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { type Child, startProcess } from '@presence/test-services';

const run = promisify(execFile);
const SCRIPT = fileURLToPath(new URL('../../load/tokens.lua', import.meta.url));

/** What everybody is asked for: by each bearer of a token in turn. */
export interface Target {
  readonly method: string;
  readonly url: string;
  readonly tokens: Tokens;
}

export interface Tokens {
  /** A token a line. */
  readonly file: string;
  readonly count: number;
}

export interface ClosedLoad {
  readonly seconds: number;
  /** Each has one request on its way. */
  readonly connections: number;
  /** How many requests there were before: it goes on with the token whose turn it is. Default 0. */
  readonly after?: number;
}

/** What a load came to. */
export interface Traffic {
  readonly requests: number;
  readonly perSecond: number;
  /** Answers other than 2xx and 3xx, and requests without one. */
  readonly failures: number;
}

const MOST_FAILURES = 0.001;

/** @throws where more than one request in a thousand failed: what is not done is done fast */
export function assertServed(
  name: string,
  { requests, failures }: Pick<Traffic, 'requests' | 'failures'>,
): void {
  if (failures <= requests * MOST_FAILURES && requests > 0) return;
  throw new Error(`${name}: ${failures} of ${requests} requests failed.`);
}

export interface LoadGenerator {
  readonly name: string;
  /** The next request goes out when an answer comes in. */
  run(target: Target, load: ClosedLoad): Promise<Traffic>;
}

/** wrk, which takes little from what it measures, or else autocannon. */
export async function loadGenerator(): Promise<LoadGenerator> {
  const version = await run('wrk', ['-v']).catch(({ stdout }: { stdout?: string }) => ({ stdout }));
  const match = /^wrk \S+/.exec(version.stdout ?? '');
  return match === null ? AUTOCANNON : { name: match[0], run: runWrk };
}

/** @throws with what wrk said */
async function runWrk(target: Target, load: ClosedLoad): Promise<Traffic> {
  const { seconds, connections, after = 0 } = load;
  const { url, method, tokens } = target;
  const how = ['-t1', `-c${connections}`, `-d${seconds}s`, '--timeout', '10s', '-s', SCRIPT];
  const first = String(after % tokens.count);
  const { stdout } = await run('wrk', [...how, url, '--', tokens.file, method, first]);
  const line = /^\{.*\}$/m.exec(stdout)?.[0];
  if (line === undefined) throw new Error(`wrk says no result:\n${stdout}`);
  const { requests, microseconds, refused, broken } = JSON.parse(line) as Record<string, number>;
  const perSecond = requests! / (microseconds! / 1e6);
  return { requests: requests!, perSecond, failures: refused! + broken! };
}

const AUTOCANNON: LoadGenerator = {
  name: 'autocannon',
  run: async (target, load) => {
    const child = startProcess(CANNON, { args: [JSON.stringify({ target, load })] });
    return JSON.parse(await outputOf(child)) as Traffic;
  },
};

/** Ends what still goes on: nobody waits for it any more. */
export async function endLoads(): Promise<void> {
  await Promise.all([...running].map((child) => child.end('SIGKILL')));
}

const CANNON = fileURLToPath(new URL('./cannon-process.js', import.meta.url));

const running = new Set<Child>();

/**
 * Waits for a generator: a process of its own, since whoever measures beside it needs its event loop.
 * @returns what it wrote to standard output. @throws with what it said where it failed
 */
export async function outputOf(child: Child): Promise<string> {
  running.add(child);
  const { code } = await child.exited;
  running.delete(child);
  if (code !== 0) throw new Error(`The load generator ended with ${code}:\n${child.output}`);
  return child.stdout;
}
