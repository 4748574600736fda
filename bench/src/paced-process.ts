import { readFileSync } from 'node:fs';
import { Connections, requestText } from './connections.js';
import type { Latency, OpenLoad, Target } from './load.js';
import { quantile, spreadOf } from './statistics.js';

/** Sends requests evenly, as its one argument says, and prints what they came to. */
const { target, load } = JSON.parse(process.argv[2]!) as { target: Target; load: OpenLoad };
const { method } = target;
const url = new URL(target.url);
const tokens = readFileSync(target.tokens.file, 'utf8').trimEnd().split('\n');
const requests = tokens.map((token) => Buffer.from(requestText({ method, url, token })));
const connections = new Connections(url, load.connections);
const [uncounted, counted] = [load.warmUp, load.seconds].map((s) => Math.floor(load.rate * s));
const total = uncounted! + counted!;
const took = new Float64Array(counted!);
let [answers, failures] = [0, 0];

/** @param due when it should go out, by the monotonic clock; what it waits for its turn counts */
function send(turn: number, due: number): void {
  connections.send(requests[turn % requests.length]!, (status) => {
    if (turn >= uncounted!) {
      took[turn - uncounted!] = performance.now() - due;
      if (status < 200 || status >= 400) failures++;
    }
    if (++answers === total) tell();
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

/** The 99th percentile of each ten seconds in which requests were to go out. */
function tenSeconds(): number[] {
  const length = Math.min(took.length, Math.floor(10 * load.rate));
  const pieces = Math.floor(took.length / length);
  return Array.from({ length: pieces }, (_, at) =>
    quantile(took.slice(at * length, (at + 1) * length).sort(), 0.99),
  );
}

function tell(): void {
  const seconds = (performance.now() - began) / 1_000 - load.warmUp;
  const sorted = took.toSorted();
  const [p50, p99] = [quantile(sorted, 0.5), quantile(sorted, 0.99)];
  const requests = took.length;
  const perSecond = requests / seconds;
  const result: Latency = { requests, perSecond, failures, p50, p99, p99s: spreadOf(tenSeconds()) };
  process.stdout.write(JSON.stringify(result), () => process.exit());
}

sendDue();
