import { setTimeout as wait } from 'node:timers/promises';
import { Connections, requestText } from './connections.js';
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

/** Milliseconds from when a question was due to the last byte of its answer. */
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
  const connections = new Connections(new URL(next(0).url));
  const began = performance.now();
  const took = Array.from({ length: WARM_UP + count }, async (_, turn) => {
    const due = began + (turn / rate) * 1_000;
    await wait(Math.max(0, due - performance.now()));
    const from = Math.min(due, performance.now());
    await ask(next(turn), connections);
    return performance.now() - from;
  });
  const sorted = (await Promise.all(took)).slice(WARM_UP).toSorted((a, b) => a - b);
  connections.close();
  return { p50: quantile(sorted, 0.5), p99: quantile(sorted, 0.99) };
}

/**
 * @param connections to ask over; its own where there are none
 * @returns what was answered
 */
export async function ask(asked: Asked, connections?: Connections): Promise<string> {
  const url = new URL(asked.url);
  const over = connections ?? new Connections(url);
  const answer = new Promise<string>((resolve, reject) => {
    over.send(requestText({ ...asked, url }), (status, body) => {
      if (status === 200) resolve(body.toString());
      else reject(new Error(`${asked.method} ${asked.url} is answered ${status}: ${body}`));
    });
  });
  return answer.finally(() => {
    if (connections === undefined) over.close();
  });
}
