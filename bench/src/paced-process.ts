import { readFileSync } from 'node:fs';
import { type Dispatcher, Pool } from 'undici';
import type { Latency, OpenLoad, Target } from './load.js';
import { quantile } from './statistics.js';

/** Sends requests evenly, as its one argument says, and prints what they came to. */
const { target, load } = JSON.parse(process.argv[2]!) as { target: Target; load: OpenLoad };
const { origin, pathname: path } = new URL(target.url);
const tokens = readFileSync(target.tokens.file, 'utf8').trimEnd().split('\n');
const method = target.method as Dispatcher.HttpMethod;
const requests = tokens.map((token) => ({
  ...{ method, path, headers: { authorization: `Bearer ${token}` } },
}));
/** As wrk and autocannon have it: what takes longer has failed, and is not waited for. */
const TIMEOUT = 10_000;
const pool = new Pool(origin, {
  connections: load.connections,
  pipelining: 1,
  headersTimeout: TIMEOUT,
  bodyTimeout: TIMEOUT,
});
const [uncounted, counted] = [load.warmUp, load.seconds].map((s) => Math.floor(load.rate * s));
const total = uncounted! + counted!;
const took: number[] = [];
let [answers, failures] = [0, 0];

/** @param due when it should go out, by the monotonic clock; what it waits for its turn counts */
function send(turn: number, due: number): void {
  let status = 0;
  const conclude = (answered: boolean) => {
    if (turn >= uncounted!) {
      took.push(performance.now() - due);
      if (!answered || status >= 400) failures++;
    }
    if (++answers === total) tell();
  };
  pool.dispatch(requests[turn % requests.length]!, {
    onRequestStart() {},
    onResponseStart(_, code) {
      status = code;
    },
    onResponseData() {},
    onResponseEnd: () => conclude(true),
    onResponseError: () => conclude(false),
  });
}

const began = performance.now();
let sent = 0;

/** Whatever is due by now: where the machine was late, requests are sent late and say so. */
function sendDue(): void {
  const due = Math.min(total, ((performance.now() - began) * load.rate) / 1_000);
  for (; sent < due; sent++) send(sent, began + (sent * 1_000) / load.rate);
  if (sent < total) setTimeout(sendDue, 1);
}

function tell(): void {
  const seconds = (performance.now() - began) / 1_000 - load.warmUp;
  const sorted = took.toSorted((a, b) => a - b);
  const [p50, p99] = [quantile(sorted, 0.5), quantile(sorted, 0.99)];
  const requests = took.length;
  const result: Latency = { requests, perSecond: requests / seconds, failures, p50, p99 };
  process.stdout.write(JSON.stringify(result), () => process.exit());
}

sendDue();
