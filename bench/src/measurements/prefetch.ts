import { PREFETCH as USUAL } from '@presence/adapters/wire';
import { publishSingles } from '../backlog.js';
import { drains } from '../drains.js';
import type { Measurement } from '../measurement.js';

export const PREFETCH: Measurement = {
  name: 'prefetch',
  about: 'single-event messages/s of one worker with a full queue, by how many it may hold',
  run: (bench) =>
    drains(bench, {
      setting: 'AMQP_PREFETCH',
      values: [100, 250, 500, 1_000, 2_000, 4_000],
      usual: USUAL,
      users: bench.quick ? 50_000 : 100_000,
      publish: publishSingles,
      what: `single-event messages, ${USUAL} held`,
      curve: { x: 'messages held', y: 'messages/s' },
    }),
};
