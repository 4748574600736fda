import type { Duration } from '@presence/domain';
import { settingsGroup } from './settings-group.js';
import { choice, duration, durationText, integer } from './validators.js';

export interface PresenceSettings {
  readonly heartbeatInterval: Duration;
  readonly offlineAfter: Duration;
  readonly heartbeatHorizon: Duration;
  readonly maxClockSkew: Duration;
  readonly unknownUsers: 'refuse' | 'create';
}

export interface BatchSettings {
  readonly maxUsers: number;
  readonly maxWait: Duration;
  readonly concurrency: number;
}

export const presenceSettings = settingsGroup({
  specs: {
    /** How often clients are asked to speak: the `next_heartbeat_in` of every answer. */
    HEARTBEAT_INTERVAL: duration({ min: 100, max: 3_600_000 })({ default: 30_000 }),
    /** Silence longer than this is offline: by default three missed heartbeats and 20 s. */
    OFFLINE_AFTER: duration({ min: 200, max: 7 * 86_400_000 })({ default: 110_000 }),
    /** How old the oldest unconfirmed event may be before heartbeats are refused. */
    HEARTBEAT_HORIZON: duration({ min: 100, max: 3_600_000 })({ default: 60_000 }),
    /** How far ahead of this process's clock an event's time may be. */
    MAX_CLOCK_SKEW: duration({ min: 0, max: 3_600_000 })({ default: 15_000 }),
    /** What becomes of events about users that nobody has told us of. */
    PRESENCE_UNKNOWN_USERS: choice(['refuse', 'create'])({ default: 'refuse' }),
  },
  checks: [
    {
      of: ['OFFLINE_AFTER', 'HEARTBEAT_INTERVAL'],
      fault: ({ OFFLINE_AFTER: after, HEARTBEAT_INTERVAL: interval }) =>
        after < 2 * interval
          ? `is ${durationText(after)}, under twice HEARTBEAT_INTERVAL: one late heartbeat would ` +
            `show its user offline. Set it to ${durationText(2 * interval)} or more.`
          : undefined,
    },
  ],
  settings: (values): PresenceSettings => ({
    heartbeatInterval: values.HEARTBEAT_INTERVAL,
    offlineAfter: values.OFFLINE_AFTER,
    heartbeatHorizon: values.HEARTBEAT_HORIZON,
    maxClockSkew: values.MAX_CLOCK_SKEW,
    unknownUsers: values.PRESENCE_UNKNOWN_USERS,
  }),
});

/**
 * The default. Of half a million users one worker wrote 38,700 events a second with 1 transaction at
 * once, 51,700 with 2, 57,900 with 3 and 58,600 with 4, on two processors (`npm run bench -- --only
 * concurrency`).
 */
export const BATCH_CONCURRENCY = 3;

/** How the worker gathers events before it writes them. */
export const batchSettings = settingsGroup({
  specs: {
    /**
     * Users a transaction, about. 4,000 of a million are written at 55,300 rows a second, where 1,000
     * made 49,100 (`npm run bench -- --only batches`); their rows are locked for some 75 ms, or longer
     * beside another transaction.
     */
    BATCH_MAX_USERS: integer({ min: 1, max: 10_000 })({ default: 4_000 }),
    /**
     * How long the first event of a batch waits for company. With 5,000 heartbeats a second, each cost
     * worker and Postgres 29.6 µs with 20 ms, 25.7 with 40 and 23.0 with 80, which is twice as long to
     * wait for a row (`npm run bench -- --only waits`).
     */
    BATCH_MAX_WAIT: duration({ min: 0, max: 1_000 })({ default: 40 }),
    /** Transactions at once; each needs a connection of the pool. */
    BATCH_CONCURRENCY: integer({ min: 1, max: 8 })({ default: BATCH_CONCURRENCY }),
  },
  settings: (values): BatchSettings => ({
    maxUsers: values.BATCH_MAX_USERS,
    maxWait: values.BATCH_MAX_WAIT,
    concurrency: values.BATCH_CONCURRENCY,
  }),
});
