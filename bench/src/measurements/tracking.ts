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
const ABOUT = 'verifies a token and reads one row';
const BOTH = ['0', '1'].map((TRACK) =>
  nodePeer(TRACK === '1' ? 'tracked' : 'untracked', ABOUT, 'koa-orders', [
    { name: 'only', settings: { TRACK } },
  ]),
);

export const TRACKING: Measurement = {
  name: 'tracking',
  about: 'a Koa route with one indexed SELECT, with and without the tracking line in front',
  run: async (bench) => {
    const { stage, people, quick, say } = bench;
    const rounds = (quick ? QUICK_ROUNDS : ROUNDS).count;
    await stage.populate(people);
    const tokens = await stage.tokens(people);
    // It declares the queue, and ends: what is recorded is confirmed, and lies there.
    const worker = await stage.system.startWorker();
    await worker.end('SIGTERM');
    const scores = new Map<string, Score[]>(BOTH.map(({ name }) => [name, []]));
    for (let round = 1; round <= rounds; round++) {
      say(`round ${round} of ${rounds}`);
      // Whoever has its turn first in one round has it last in the next.
      const order = round % 2 === 0 ? BOTH : BOTH.toReversed();
      for (const [name, [score]] of await startAndCompete(order, bench, tokens)) {
        scores.get(name)!.push(score!);
      }
    }
    const [without, withLine] = BOTH.map(({ name }) => scores.get(name)!);
    const ratio = ratioOf(withLine!, without!);
    const note = `by ${ratio.by}; ${middleOf(withLine!)} beside ${middleOf(without!)}`;
    const marks = { floor: 0.95, goal: 0.98 };
    const what = 'tracked ÷ untracked route';
    return [{ what, value: ratio.median, unit: 'ratio', spread: ratio, note, ...marks }];
  },
};

/**
 * A round of two new processes: two of one program may differ by a fifth for as long as they live,
 * and one pair would be measured as often as there are rounds.
 */
async function startAndCompete(
  peers: typeof BOTH,
  { stage, quick, generator, say }: Bench,
  tokens: Target['tokens'],
): Promise<ReadonlyMap<string, readonly Score[]>> {
  const environment = await stage.peerSettings();
  const start = async (peer: (typeof BOTH)[number]) => {
    const running = await peer.start({ ...environment, ...peer.choices[0]!.settings });
    const target = { method: 'GET', url: `${running.url}/account/`, tokens };
    const settle = () => stage.emptyQueue();
    return { contestant: { name: peer.name, target, pid: running.pid, settle }, running };
  };
  const all = await Promise.all(peers.map(start));
  const contestants = all.map(({ contestant }): Contestant => contestant);
  const one = { ...(quick ? QUICK_ROUNDS : { ...ROUNDS, warmUp: WARM_UP }), count: 1 };
  const scores = await compete(contestants, one, generator, say);
  for (const { running } of all) await running.stop();
  return scores;
}
