import type { FaultCase } from '../fault-case.js';
import { LATE_HEARTBEAT } from './ended-session.js';
import { KILLED_AFTER_CONFIRM } from './killed-api.js';
import { KILLED_BEFORE_ACKNOWLEDGEMENT, KILLED_BEFORE_COMMIT } from './killed-worker.js';

/** In the order of the table. */
export const CASES: readonly FaultCase[] = [
  KILLED_AFTER_CONFIRM,
  KILLED_BEFORE_COMMIT,
  KILLED_BEFORE_ACKNOWLEDGEMENT,
  LATE_HEARTBEAT,
];
