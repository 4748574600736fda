import { BATCH_CONCURRENCY } from '@presence/adapters/environment';
import { publishBatches } from '../backlog.js';
import { drains } from '../drains.js';
import type { Measurement } from '../measurement.js';

export const CONCURRENCY: Measurement = {
  name: 'concurrency',
  about: 'events/s of one worker with a full queue, by how many transactions it has at once',
  run: (bench) =>
    drains(bench, {
      setting: 'BATCH_CONCURRENCY',
      values: [1, 2, 3, 4],
      usual: BATCH_CONCURRENCY,
      users: bench.quick ? 100_000 : 500_000,
      publish: publishBatches,
      what: `one worker, ${BATCH_CONCURRENCY} transactions at once`,
      curve: { x: 'transactions at once', y: 'events/s' },
    }),
};
