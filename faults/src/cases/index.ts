import type { FaultCase } from '../fault-case.js';
import { BLACK_HOLE } from './black-hole.js';
import { BROKEN_CONNECTIONS, STALE_ACKNOWLEDGEMENT } from './broken-connections.js';
import { BROKER_ALARM } from './broker-alarm.js';
import { BROKER_AWAY } from './broker-away.js';
import { CLOCKS } from './clocks.js';
import { CLUSTER } from './cluster.js';
import { CROWD } from './crowd.js';
import { DEADLOCK } from './deadlock.js';
import { DELETED } from './deleted.js';
import { LATE_HEARTBEAT } from './ended-session.js';
import { KILLED_AFTER_CONFIRM, KILLED_BEFORE_CONFIRM } from './killed-api.js';
import { KILLED_BROKER } from './killed-broker.js';
import {
  KILLED_BEFORE_ACKNOWLEDGEMENT,
  KILLED_BEFORE_COMMIT,
  KILLED_WITH_FULL_PREFETCH,
} from './killed-worker.js';
import { AWAY_AT_START } from './late-start.js';
import { LOCKED_ROW } from './locked-row.js';
import { LOST_COMMIT } from './lost-commit.js';
import { FORGED_USERS, POISON } from './poison.js';
import { POSTGRES_AWAY } from './postgres-away.js';
import { POSTGRES_REFUSES } from './postgres-refuses.js';
import { POSTGRES_KILLED, POSTGRES_RESTARTED } from './postgres-restarted.js';
import { SAME_MOMENT } from './same-moment.js';
import { SHUFFLED } from './shuffled.js';
import { SLOW_CLIENTS } from './slow-clients.js';
import { SWEEP_RACE } from './sweep.js';
import { TERMINATED } from './terminated.js';
import { FOREIGN_STATUS, FORGED_TOKENS } from './tokens.js';

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
  BROKER_ALARM,
  DELETED,
  BROKEN_CONNECTIONS,
  STALE_ACKNOWLEDGEMENT,
  BLACK_HOLE,
  POSTGRES_RESTARTED,
  POSTGRES_KILLED,
  POSTGRES_AWAY,
  LOST_COMMIT,
  LOCKED_ROW,
  DEADLOCK,
  POSTGRES_REFUSES,
  SHUFFLED,
  LATE_HEARTBEAT,
  SAME_MOMENT,
  SWEEP_RACE,
  CLOCKS,
  POISON,
  FORGED_USERS,
  SLOW_CLIENTS,
  TERMINATED,
  CROWD,
  FORGED_TOKENS,
  FOREIGN_STATUS,
  CLUSTER,
];
