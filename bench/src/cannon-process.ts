import { readFileSync } from 'node:fs';
import autocannon from 'autocannon';
import type { ClosedLoad, Target, Traffic } from './load.js';

/** Runs autocannon as its one argument says, and prints what it came to. */
const { target, load } = JSON.parse(process.argv[2]!) as { target: Target; load: ClosedLoad };
const inOrder = readFileSync(target.tokens.file, 'utf8').trimEnd().split('\n');
const method = target.method as 'GET' | 'POST';
const { connections, seconds, after = 0 } = load;
const first = after % inOrder.length;
const tokens = [...inOrder.slice(first), ...inOrder.slice(0, first)];
let connected = 0;
/** Each connection goes through a share of the tokens; built once, a request costs nothing later. */
const setupClient = (client: autocannon.Client): void => {
  const own = connected++ % connections;
  const mine = tokens.filter((_, at) => at % connections === own);
  client.setRequests(
    mine.map((token) => ({ method, headers: { authorization: `Bearer ${token}` } })),
  );
};
const { requests, non2xx, errors, duration } = await autocannon({
  ...{ url: target.url, connections, duration: seconds },
  setupClient,
});
const result: Traffic = {
  requests: requests.total,
  perSecond: requests.total / duration,
  failures: non2xx + errors,
};
process.stdout.write(JSON.stringify(result));
