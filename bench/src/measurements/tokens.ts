import { compete, middleOf, QUICK_ROUNDS, ROUNDS, ratioOf } from '../contest.js';
import type { Measurement } from '../measurement.js';
import { type Metrics, metricsOf } from '../metrics.js';

/** As many as the cache of verified tokens is sure to hold, and more than it can. */
const FEW = 20_000;
const MANY = 200_000;

export const TOKENS: Measurement = {
  name: 'tokens',
  about: 'heartbeats/s of the API where it knows every token, and where it knows none',
  run: async ({ stage, quick, generator, say }) => {
    await stage.populate(MANY);
    const both = await Promise.all(
      [FEW, MANY].map(async (count) => {
        const [api, tokens] = [await stage.system.startApi(), await stage.tokens(count)];
        const target = { method: 'POST', url: `${api.url}/api/users/heartbeat/`, tokens };
        const settle = () => stage.emptyQueue();
        return { name: `${count} tokens`, target, pid: api.process.pid, settle, api };
      }),
    );
    const scores = await compete(both, quick ? QUICK_ROUNDS : ROUNDS, generator, say);
    const hits = await Promise.all(
      both.map(async ({ api }) => `${hitShare(await metricsOf(api.opsUrl)).toFixed(0)} % hits`),
    );
    const [known, unknown] = both.map(({ name }) => scores.get(name)!);
    const ratio = ratioOf(unknown!, known!);
    const told = [unknown!, known!].map(middleOf);
    const note = `by ${ratio.by}; ${hits[1]}: ${told[0]}; ${hits[0]}: ${told[1]}`;
    const what = 'API: no token known ÷ every token known';
    return [{ what, value: ratio.median, unit: 'ratio', spread: ratio, note }];
  },
};

function hitShare(figure: Metrics): number {
  const hits = figure('presence_token_cache_hits_total');
  return (100 * hits) / (hits + figure('presence_token_cache_misses_total'));
}
