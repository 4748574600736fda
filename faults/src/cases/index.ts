import type { FaultCase } from '../fault-case.js';
import { BROKER_AWAY } from './broker-away.js';
import { CLOCKS } from './clocks.js';
import { LATE_HEARTBEAT } from './ended-session.js';
import { KILLED_AFTER_CONFIRM, KILLED_BEFORE_CONFIRM } from './killed-api.js';
import { KILLED_BROKER } from './killed-broker.js';
import {
  KILLED_BEFORE_ACKNOWLEDGEMENT,
  KILLED_BEFORE_COMMIT,
  KILLED_WITH_FULL_PREFETCH,
} from './killed-worker.js';
import { AWAY_AT_START } from './late-start.js';
import { FORGED_USERS, POISON } from './poison.js';
import { SAME_MOMENT } from './same-moment.js';
import { SWEEP_RACE } from './sweep.js';

/** In the order of the table. */
export const CASES: readonly FaultCase[] = [
  KILLED_BEFORE_CONFIRM,
  KILLED_AFTER_CONFIRM,
  KILLED_BEFORE_COMMIT,
  KILLED_BEFORE_ACKNOWLEDGEMENT,
  KILLED_WITH_FULL_PREFETCH,
  KILLED_BROKER,
  BROKER_AWAY,
  AWAY_AT_START,
  LATE_HEARTBEAT,
  SAME_MOMENT,
  SWEEP_RACE,
  CLOCKS,
  POISON,
  FORGED_USERS,
];
