import { eventually } from '@presence/test-services';
import { assertServed, type Target } from './load.js';
import type { Bench } from './measurement.js';

/** Seconds of a load, of which there are as many as it takes. */
const A_WHILE = 10;
const WRITTEN_WITHIN = 60_000;

/**
 * Lets everybody speak once, as fast as that goes, until all of it is in the rows. Whose token is new
 * is dearer by far: an open loop may bring new ones faster than they can be taken, and what it then
 * measures is its own backlog.
 * @throws where requests failed, or what was answered is not written in time
 */
export async function introduceAll(
  { stage, generator, say }: Pick<Bench, 'stage' | 'generator' | 'say'>,
  target: Target,
): Promise<void> {
  const { count } = target.tokens;
  say(`${count} users speak for the first time`);
  for (let spoken = 0; spoken < count; ) {
    const load = { seconds: A_WHILE, connections: 64, after: spoken };
    const traffic = await generator.run(target, load);
    assertServed(target.url, traffic);
    spoken += traffic.requests;
  }
  await eventually(async () => (await stage.seen()) >= count, {
    ...{ within: WRITTEN_WITHIN, every: 500 },
  });
}
