import {
  type Contestant,
  compete,
  middleOf,
  QUICK_ROUNDS,
  ROUNDS,
  ratioOf,
  type Score,
} from '../contest.js';
import type { Target } from '../load.js';
import type { Bench, Measurement } from '../measurement.js';
import { nodePeer } from '../peer.js';

/** Seconds, in which everybody is to have spoken once. */
const WARM_UP = 15;
/** One after the other, and rounds of each. */
const [PROCESSES, TURNS] = [2, 7];
const ORDERS = nodePeer('orders', 'verifies a token and reads one row', 'koa-orders');
const BOTH = ['untracked', 'tracked'];

export const TRACKING: Measurement = {
  name: 'tracking',
  about: 'a Koa route with one indexed SELECT, with and without the tracking line in front',
  run: async (bench) => {
    const { stage, people, quick, say } = bench;
    await stage.populate(people);
    const tokens = await stage.tokens(people);
    // It declares the queue, and ends: what is recorded is confirmed, and lies there.
    const worker = await stage.system.startWorker();
    await worker.end('SIGTERM');
    const scores = new Map<string, Score[]>(BOTH.map((name) => [name, []]));
    const processes = quick ? 1 : PROCESSES;
    for (let at = 1; at <= processes; at++) {
      say(`process ${at} of ${processes}`);
      for (const [name, own] of await startAndPlay(bench, tokens)) scores.get(name)!.push(...own);
    }
    const [without, withLine] = BOTH.map((name) => scores.get(name)!);
    const ratio = ratioOf(withLine!, without!);
    const note = `by ${ratio.by}; ${middleOf(withLine!)} beside ${middleOf(without!)}`;
    const marks = { floor: 0.95, goal: 0.98 };
    const what = 'tracked ÷ untracked route';
    return [{ what, value: ratio.median, unit: 'ratio', spread: ratio, note, ...marks }];
  },
};

/**
 * Some rounds of a new process, in which both play: two of one program may differ by a fifth for as
 * long as they live.
 */
async function startAndPlay(
  { stage, quick, generator, say }: Bench,
  tokens: Target['tokens'],
): Promise<ReadonlyMap<string, readonly Score[]>> {
  const { url, pid, stop } = await ORDERS.start(await stage.peerSettings());
  const contestants = BOTH.map((name): Contestant => {
    const target: Target = { method: 'GET', url: `${url}/${name}/account/`, tokens };
    return { name, pid, target, settle: () => stage.emptyQueue() };
  });
  const rounds = quick ? QUICK_ROUNDS : { ...ROUNDS, warmUp: WARM_UP, count: TURNS };
  const scores = await compete(contestants, rounds, generator, say);
  await stop();
  return scores;
}
