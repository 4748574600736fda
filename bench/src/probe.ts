import { Agent, request } from 'node:http';
import { setTimeout as wait } from 'node:timers/promises';
import { quantile } from './statistics.js';

/** One request, to be made again and again. */
export interface Asked {
  readonly method: string;
  readonly url: string;
  readonly token: string;
  readonly body?: unknown;
}

export interface Probe {
  readonly count: number;
  /** A second, each at its time, whether the one before has been answered or not. */
  readonly rate: number;
}

/** Milliseconds to the last byte of an answer. */
export interface Took {
  readonly p50: number;
  readonly p99: number;
}

/** Questions beforehand that do not count, at the same rate: connections and statements are new. */
export const WARM_UP = 40;

/**
 * Asks now and then, beside whatever load there is. No question waits for another.
 * @throws for any answer but 200
 */
export async function probe(next: (turn: number) => Asked, { count, rate }: Probe): Promise<Took> {
  const agent = new Agent({ keepAlive: true, noDelay: true });
  const began = performance.now();
  const took = Array.from({ length: WARM_UP + count }, async (_, turn) => {
    await wait(Math.max(0, began + (turn / rate) * 1_000 - performance.now()));
    const sent = performance.now();
    await ask(next(turn), agent);
    return performance.now() - sent;
  });
  const sorted = (await Promise.all(took)).slice(WARM_UP).toSorted((a, b) => a - b);
  agent.destroy();
  return { p50: quantile(sorted, 0.5), p99: quantile(sorted, 0.99) };
}

/** @returns what was answered */
export function ask({ method, url, token, body }: Asked, agent?: Agent): Promise<string> {
  const text = body === undefined ? '' : JSON.stringify(body);
  const headers = {
    authorization: `Bearer ${token}`,
    ...(text === '' ? {} : { 'content-type': 'application/json' }),
    'content-length': Buffer.byteLength(text),
  };
  return new Promise((resolve, reject) => {
    const sent = request(url, { method, headers, ...(agent && { agent }) }, (response) => {
      const parts: Buffer[] = [];
      response.on('data', (part: Buffer) => parts.push(part));
      response.on('end', () => {
        const answer = Buffer.concat(parts).toString();
        if (response.statusCode === 200) resolve(answer);
        else reject(new Error(`${method} ${url} is answered ${response.statusCode}: ${answer}`));
      });
    });
    sent.on('error', reject);
    sent.end(text);
  });
}
