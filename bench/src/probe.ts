import { Connections, requestText } from './connections.js';
import { type Latency, openLoopOf } from './open-loop.js';

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

/** Questions beforehand that do not count, at the same rate: connections and statements are new. */
export const WARM_UP = 40;
/** So many may be under way: none waits for another. */
const CONNECTIONS = 64;

/**
 * Asks now and then, beside whatever load there is.
 * @param next what is asked at a time, in milliseconds since the epoch
 * @throws with the answer, where the first is not 200, and where one in a thousand later fails
 */
export async function probe(next: (at: number) => Asked, { count, rate }: Probe): Promise<Latency> {
  const now = Date.now();
  const first = next(now);
  await ask(first);
  const texts = Array.from({ length: WARM_UP + count }, (_, turn) => {
    const asked = next(now + (turn * 1_000) / rate);
    return requestText({ ...asked, url: new URL(asked.url) });
  });
  const load = { rate, warmUp: WARM_UP / rate, seconds: count / rate, connections: CONNECTIONS };
  return openLoopOf({ url: first.url, texts }, load);
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
