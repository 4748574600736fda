import { execFile } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { type Child, startProcess } from '@presence/test-services';
import type { Spread } from './statistics.js';

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
  run: (target, load) => inProcess(CANNON, { target, load }),
};

export interface OpenLoad {
  readonly seconds: number;
  /** Seconds beforehand that do not count: the generator itself has to get going. */
  readonly warmUp: number;
  /** Requests a second, whether answers come or not. */
  readonly rate: number;
  readonly connections: number;
}

/** Of an open loop, in milliseconds from when a request was to be sent to the end of its answer. */
export interface Latency extends Traffic {
  readonly p50: number;
  readonly p99: number;
  /** The 99th percentile of each ten seconds: where the machine stood still, some are far off. */
  readonly p99s: Spread;
}

/**
 * Evenly spaced requests: what one waits for its turn counts, too. Neither wrk nor autocannon does
 * that; autocannon's rate is a burst at the beginning of each second.
 * @throws where requests failed
 */
export function openLoop(target: Target, load: OpenLoad): Promise<Latency> {
  const latency = inProcess<Latency>(PACED, { target, load }).then((told) => {
    assertServed(target.url, told);
    return told;
  });
  latency.catch(() => {}); // Whoever called awaits it, unless something else breaks before.
  return latency;
}

/** Ends what still goes on: nobody waits for it any more. */
export async function endLoads(): Promise<void> {
  await Promise.all([...running].map((child) => child.end('SIGKILL')));
}

const PACED = fileURLToPath(new URL('./paced-process.js', import.meta.url));
const CANNON = fileURLToPath(new URL('./cannon-process.js', import.meta.url));

const running = new Set<Child>();

/** In a process of its own: whoever measures beside it has another event loop. */
async function inProcess<Result>(script: string, argument: unknown): Promise<Result> {
  const child = startProcess(script, { args: [JSON.stringify(argument)] });
  running.add(child);
  const { code } = await child.exited;
  running.delete(child);
  if (code !== 0) throw new Error(`The load generator ended with ${code}:\n${child.output}`);
  return JSON.parse(child.stdout) as Result;
}
