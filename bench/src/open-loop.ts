import { execFile } from 'node:child_process';
import { readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { Child, temporaryFolder } from '@presence/test-services';
import { requestText } from './connections.js';
import { assertServed, outputOf, type Target, type Traffic } from './load.js';
import { quantile, type Spread, spreadOf } from './statistics.js';

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

/** What is sent, again from the beginning after the last one. */
export interface Requests {
  /** Of the server. */
  readonly url: string;
  /** As they go over the wire. */
  readonly texts: readonly string[];
}

/**
 * A program that sends requests evenly. It takes host (an IPv4 address), port, a file of requests,
 * each ended by a zero byte, a file that it makes, the rate, seconds of warming up, seconds that
 * count, and connections. The file that it makes has the milliseconds of each request that counts, in
 * order, as doubles, infinite where its answer was not 200; standard output has the seconds that those
 * requests went on. Answers are of up to 64 KB.
 */
export interface Pacer {
  readonly name: string;
  readonly command: readonly [string, ...string[]];
}

const IN_C = fileURLToPath(new URL('../../load/paced.c', import.meta.url));
const IN_NODE = fileURLToPath(new URL('./paced-process.js', import.meta.url));
const run = promisify(execFile);

export const NODE_PACER: Pacer = {
  name: 'paced-process.ts',
  command: [process.execPath, IN_NODE],
};

/**
 * It collects no garbage, and wakes within half a millisecond of when a request is due.
 * @returns `undefined` where there is no C compiler, or no Linux
 * @throws with what the compiler says
 */
export async function nativePacer(): Promise<Pacer | undefined> {
  if (process.platform !== 'linux') return undefined;
  const program = join(await temporaryFolder('pacer'), 'paced');
  try {
    await run('cc', ['-std=c11', '-O2', '-o', program, IN_C, '-lm']);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
    throw error;
  }
  return { name: 'paced.c', command: [program] };
}

let chosen: Promise<Pacer> | undefined;

/** The better one that this machine can have. */
export function pacer(): Promise<Pacer> {
  chosen ??= nativePacer().then((native) => native ?? NODE_PACER);
  return chosen;
}

/**
 * Evenly spaced requests: what one waits for its turn counts, too. Neither wrk nor autocannon does
 * that; autocannon's rate is a burst at the beginning of each second.
 * @throws where requests failed
 */
export function openLoop(target: Target, load: OpenLoad): Promise<Latency> {
  const latency = requestsOf(target).then((requests) => openLoopOf(requests, load));
  latency.catch(() => {}); // Whoever called awaits it, unless something else breaks before.
  return latency;
}

/** The same of any requests. */
export async function openLoopOf(requests: Requests, load: OpenLoad): Promise<Latency> {
  return latencyBy(await pacer(), requests, load);
}

async function requestsOf({ method, url, tokens }: Target): Promise<Requests> {
  const all = (await readFile(tokens.file, 'utf8')).trimEnd().split('\n');
  const what = { method, url: new URL(url) };
  return { url, texts: all.map((token) => requestText({ ...what, token })) };
}

export async function latencyBy(
  { command: [file, ...before] }: Pacer,
  { url, texts }: Requests,
  { rate, warmUp, seconds, connections }: OpenLoad,
): Promise<Latency> {
  const { hostname, port } = new URL(url);
  const folder = await temporaryFolder('open-loop');
  const [requests, took] = [join(folder, 'requests'), join(folder, 'took')];
  await writeFile(requests, texts.map((text) => `${text}\0`).join(''));
  const how = [rate, warmUp, seconds, connections].map(String);
  // Settings that this process has been given are not those of the generator.
  const child = new Child(file, [...before, hostname, port, requests, took, ...how], { env: {} });
  const output = await outputOf(child);
  const all = new Float64Array(new Uint8Array(await readFile(took)).buffer);
  await rm(folder, { recursive: true });
  const latency = latencyOf(all, Number(output), rate);
  assertServed(url, latency);
  return latency;
}

/** @param took milliseconds of each request in order, infinite where it failed */
function latencyOf(took: Float64Array, seconds: number, rate: number): Latency {
  const sorted = took.toSorted();
  return {
    requests: took.length,
    perSecond: took.length / seconds,
    failures: took.filter((one) => one === Number.POSITIVE_INFINITY).length,
    p50: quantile(sorted, 0.5),
    p99: quantile(sorted, 0.99),
    p99s: spreadOf(tenSeconds(took, rate).map((part) => quantile(part.sort(), 0.99))),
  };
}

/** By when they were due; of a shorter load, all of it. */
function tenSeconds(took: Float64Array, rate: number): Float64Array[] {
  const length = Math.min(took.length, Math.floor(10 * rate));
  const pieces = Math.floor(took.length / length);
  return Array.from({ length: pieces }, (_, at) => took.slice(at * length, (at + 1) * length));
}
