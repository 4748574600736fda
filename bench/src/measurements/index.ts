import type { Measurement } from '../measurement.js';
import { BATCHES } from './batches.js';
import { CONCURRENCY } from './concurrency.js';
import { COSTS } from './costs.js';
import { DRAINING } from './draining.js';
import { GROWTH } from './growth.js';
import { HEARTBEATS } from './heartbeats.js';
import { IDLE } from './idle.js';
import { INDEXES } from './indexes.js';
import { MEMORY } from './memory.js';
import { NEWCOMERS } from './newcomers.js';
import { PARTITIONS } from './partitions.js';
import { PREFETCH } from './prefetch.js';
import { QUEUES } from './queues.js';
import { READING } from './reading.js';
import { ROAD } from './road.js';
import { ROOM } from './room.js';
import { TOKENS } from './tokens.js';
import { TRACKING } from './tracking.js';
import { WAITS } from './waits.js';
import { WRITING } from './writing.js';

/** What has a floor, or belongs beside what has one; in the order of the table. */
export const TABLE: readonly Measurement[] = [
  HEARTBEATS,
  ROAD,
  TRACKING,
  DRAINING,
  WRITING,
  READING,
  GROWTH,
  TOKENS,
  MEMORY,
  IDLE,
  COSTS,
];

/** What a setting or a shape was chosen by. */
export const STUDIES: readonly Measurement[] = [
  NEWCOMERS,
  BATCHES,
  CONCURRENCY,
  WAITS,
  PREFETCH,
  QUEUES,
  PARTITIONS,
  INDEXES,
  ROOM,
];
