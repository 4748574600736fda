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
import { nodePeer, type Peer } from '../peer.js';

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
      for (const peer of round % 2 === 0 ? BOTH : BOTH.toReversed()) {
        scores.get(peer.name)!.push(await startAndPlay(peer, bench, tokens));
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
 * A round of a new process: two of one program may differ by a fifth for as long as they live, and
 * one pair would be measured as often as there are rounds. While one plays, the other is not there.
 */
async function startAndPlay(
  peer: Peer,
  { stage, quick, generator, say }: Bench,
  tokens: Target['tokens'],
): Promise<Score> {
  const settings = peer.choices[0]!.settings;
  const running = await peer.start({ ...(await stage.peerSettings()), ...settings });
  const contestant: Contestant = {
    ...{ name: peer.name, pid: running.pid },
    target: { method: 'GET', url: `${running.url}/account/`, tokens },
    settle: () => stage.emptyQueue(),
  };
  const one = { ...(quick ? QUICK_ROUNDS : { ...ROUNDS, warmUp: WARM_UP }), count: 1 };
  const scores = await compete([contestant], one, generator, say);
  await running.stop();
  return scores.get(peer.name)![0]!;
}
