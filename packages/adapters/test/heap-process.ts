import { getHeapStatistics } from 'node:v8';
import { keepHeapSmall } from '@presence/adapters/process';

/**
 * Remembers 300,000 things, each for a while, and says how many bytes of heap that takes at the
 * most, once it is under way.
 */
if (process.argv[2] === 'small') keepHeapSmall();
const remembered: object[] = [];
let most = 0;
for (let turn = 0; turn < 2_000_000; turn++) {
  remembered[turn % 300_000] = { turn, parts: [turn, turn, turn, turn] };
  if (turn % 10_000 !== 0 || turn < 600_000) continue;
  most = Math.max(most, getHeapStatistics().used_heap_size);
}
process.stdout.write(String(most));
