import { getHeapStatistics } from 'node:v8';
import { keepHeapSmall } from '@presence/adapters/process';

/** Remembers 600,000 things, each for a while, and says how many bytes of heap that took at the most. */
keepHeapSmall();
const remembered: object[] = [];
let most = 0;
for (let turn = 0; turn < 3_000_000; turn++) {
  remembered[turn % 600_000] = { turn, parts: [turn, turn, turn, turn] };
  if (turn % 10_000 === 0) most = Math.max(most, getHeapStatistics().used_heap_size);
}
process.stdout.write(String(most));
