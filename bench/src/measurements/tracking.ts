import { compete, middleOf, QUICK_ROUNDS, ROUNDS, ratioOf } from '../contest.js';
import type { Measurement } from '../measurement.js';
import { nodePeer } from '../peer.js';

const ABOUT = 'verifies a token and reads one row';
const [UNTRACKED, TRACKED] = ['0', '1'].map((TRACK) =>
  nodePeer(TRACK === '1' ? 'tracked' : 'untracked', ABOUT, 'koa-orders', [
    { name: 'only', settings: { TRACK } },
  ]),
);

export const TRACKING: Measurement = {
  name: 'tracking',
  about: 'a Koa route with one indexed SELECT, with and without the tracking line in front',
  run: async ({ stage, people, quick, generator, say }) => {
    await stage.populate(people);
    const tokens = await stage.tokens(people);
    // It declares the queue, and ends: what is recorded is confirmed, and lies there.
    const worker = await stage.system.startWorker();
    await worker.end('SIGTERM');
    const environment = await stage.peerSettings();
    const both = await Promise.all(
      [UNTRACKED!, TRACKED!].map(async (peer) => {
        const running = await peer.start({ ...environment, ...peer.choices[0]!.settings });
        const target = { method: 'GET', url: `${running.url}/account/`, tokens };
        return { name: peer.name, target, pid: running.pid, running };
      }),
    );
    const settle = () => stage.emptyQueue();
    const contestants = both.map((one) => ({ ...one, settle }));
    const scores = await compete(contestants, quick ? QUICK_ROUNDS : ROUNDS, generator, say);
    for (const { running } of both) await running.stop();
    const [without, withLine] = both.map(({ name }) => scores.get(name)!);
    const ratio = ratioOf(withLine!, without!);
    const note = `by ${ratio.by}; ${middleOf(withLine!)} beside ${middleOf(without!)}`;
    const marks = { floor: 0.95, goal: 0.98 };
    const what = 'tracked ÷ untracked route';
    return [{ what, value: ratio.median, unit: 'ratio', spread: ratio, note, ...marks }];
  },
};
