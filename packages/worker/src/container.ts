import {
  type Pool,
  PostgresAsOfStore,
  PostgresChangeOutbox,
  PostgresIdentityStore,
  PostgresLeaseStore,
  PostgresPresenceStore,
  PostgresSessionStore,
} from '@presence/adapters/postgres';
import { PREFETCH, type Receipt } from '@presence/adapters/wire';
import {
  type AsOfStore,
  asOfPolicy,
  type ChangeOutbox,
  type ChangePublisher,
  type DeadLetterPublisher,
  type Duration,
  type EventSource,
  type IdentityStore,
  type LeaseStore,
  type PresencePolicy,
  type PresenceStore,
  type SessionStore,
  type Ticker,
} from '@presence/domain';
import type { Registry } from 'prom-client';
import { ContainerInstance, Token } from 'typedi';
import { BatchWriter } from './batch-writer.js';
import type { Logger } from './logger.js';
import type { WorkerMetrics } from './metrics.js';
import { prometheusMetrics } from './prometheus-metrics.js';
import type { WorkerSettings } from './settings.js';
import { SharedClock } from './shared-clock.js';
import { Ticks } from './ticks.js';
import { UserResolver } from './user-resolver.js';
import { Worker } from './worker.js';

/** The queue, whichever it is. */
export interface WorkerBroker {
  /** Whether the worker can take from it and put into it. */
  readonly connected: boolean;
  /** Whether it takes nothing from anybody for now: an alarm. */
  readonly blocked: boolean;
  source(options: {
    maxClockSkew: Duration;
    prefetch?: number;
    clock?: () => Receipt;
  }): EventSource;
  ticker(): Ticker;
  changes(): ChangePublisher;
  deadLetters(): DeadLetterPublisher;
}

/** What the process brings, and ends, itself. */
export interface WorkerSurroundings {
  readonly pool: Pool;
  readonly broker: WorkerBroker;
  readonly registry: Registry;
  readonly logger: Logger;
}

const WORKER = new Token<Worker>('worker');
const WRITER = new Token<BatchWriter>('batch writer');
const TICKS = new Token<Ticks>('ticks');
const USERS = new Token<UserResolver>('user resolver');
const METRICS = new Token<WorkerMetrics>('metrics');
const CLOCK = new Token<SharedClock>('shared clock');
const SOURCE = new Token<EventSource>('event source');
const TICKER = new Token<Ticker>('ticker');
const CHANGES = new Token<ChangePublisher>('change publisher');
const DEAD_LETTERS = new Token<DeadLetterPublisher>('dead letter publisher');
const STORE = new Token<PresenceStore>('presence store');
const SESSIONS = new Token<SessionStore>('session store');
const IDENTITIES = new Token<IdentityStore>('identity store');
const AS_OF = new Token<AsOfStore>('as-of store');
const LEASES = new Token<LeaseStore>('lease store');
const OUTBOX = new Token<ChangeOutbox>('change outbox');

/** Wires a worker. The only place that knows which class stands behind which port. */
export function wireWorker(surroundings: WorkerSurroundings, settings: WorkerSettings): Worker {
  const container = new ContainerInstance('worker');
  const provide = <T>(id: Token<T>, factory: () => T) => container.set({ id, factory });
  const use = <T>(id: Token<T>) => container.get(id);
  const { pool, broker, registry, logger } = surroundings;
  const policy: PresencePolicy = {
    offlineAfter: settings.offlineAfter,
    rememberSessions: settings.refreshTokenTtl,
    accessTokenTtl: settings.accessTokenTtl,
  };
  const now = Date.now;

  provide(STORE, () => new PostgresPresenceStore(pool, policy));
  provide(SESSIONS, () => new PostgresSessionStore(pool, { ...policy, ...settings }));
  provide(IDENTITIES, () => new PostgresIdentityStore(pool, settings.ownIssuer));
  provide(AS_OF, () => new PostgresAsOfStore(pool));
  provide(LEASES, () => new PostgresLeaseStore(pool));
  provide(OUTBOX, () => new PostgresChangeOutbox(pool));
  provide(CLOCK, () => new SharedClock(now));
  provide(SOURCE, () => {
    const clock = use(CLOCK);
    const receipt = () => ({ receivedAt: clock.now, latest: clock.latest });
    return broker.source({ ...settings, clock: receipt });
  });
  provide(TICKER, () => broker.ticker());
  provide(CHANGES, () => broker.changes());
  provide(DEAD_LETTERS, () => broker.deadLetters());
  provide(METRICS, () => prometheusMetrics(registry));
  provide(USERS, () => new UserResolver(use(IDENTITIES), settings));
  provide(WRITER, () => {
    const parts = { store: use(STORE), users: use(USERS), metrics: use(METRICS), logger, now };
    return new BatchWriter(
      { ...parts, onAnnounced: () => use(WORKER).wakeRelay() },
      { maxHeld: settings.prefetch ?? PREFETCH, ...settings.batch },
    );
  });
  provide(TICKS, () => {
    const oldestHeld = () => use(WRITER).oldestHeld;
    return new Ticks({ ticker: use(TICKER), leases: use(LEASES), oldestHeld, now });
  });
  provide(WORKER, () => {
    const parts = {
      ...{ source: use(SOURCE), writer: use(WRITER), ticks: use(TICKS), store: use(STORE) },
      ...{ sessions: use(SESSIONS), asOf: use(AS_OF), outbox: use(OUTBOX) },
      ...{ changes: use(CHANGES), deadLetters: use(DEAD_LETTERS), metrics: use(METRICS) },
      ...{ broker, logger, now, clock: use(CLOCK) },
    };
    return new Worker(parts, asOfPolicy(settings.heartbeatInterval, settings.maxClockSkew));
  });
  return use(WORKER);
}
