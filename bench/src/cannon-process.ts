import { readFileSync } from 'node:fs';
import autocannon from 'autocannon';
import type { Latency, Target } from './load.js';

export type CannonOptions = Pick<autocannon.Options, 'connections' | 'duration' | 'overallRate'>;

/** Runs autocannon as its one argument says, and prints what it came to. */
const { target, options } = JSON.parse(process.argv[2]!) as {
  target: Target;
  options: CannonOptions;
};
const tokens = readFileSync(target.tokens, 'utf8').trimEnd().split('\n');
let turn = 0;
const setupRequest = (request: autocannon.Request): autocannon.Request => {
  const authorization = `Bearer ${tokens[turn++ % tokens.length]}`;
  return { ...request, headers: { ...request.headers, authorization } };
};
const { requests, latency, non2xx, errors, duration } = await autocannon({
  ...{ url: target.url, ...options },
  requests: [{ method: target.method as 'GET' | 'POST', setupRequest }],
});
const result: Latency = {
  requests: requests.total,
  perSecond: requests.total / duration,
  failures: non2xx + errors,
  p50: latency.p50,
  p99: latency.p99,
};
process.stdout.write(JSON.stringify(result));
