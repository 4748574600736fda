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
const method = target.method as 'GET' | 'POST';
const connections = options.connections ?? 1;
let connected = 0;
/** Each connection goes through a share of the tokens; built once, a request costs nothing later. */
const setupClient = (client: autocannon.Client): void => {
  const own = connected++ % connections;
  const mine = tokens.filter((_, at) => at % connections === own);
  client.setRequests(
    mine.map((token) => ({ method, headers: { authorization: `Bearer ${token}` } })),
  );
};
const { requests, latency, non2xx, errors, duration } = await autocannon({
  ...{ url: target.url, ...options },
  setupClient,
});
const result: Latency = {
  requests: requests.total,
  perSecond: requests.total / duration,
  failures: non2xx + errors,
  p50: latency.p50,
  p99: latency.p99,
};
process.stdout.write(JSON.stringify(result));
