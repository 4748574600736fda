import type { PresenceReader } from '@presence/domain';
import { Counter, Gauge, type Registry } from 'prom-client';
import type { TokenCounts } from './dependencies.js';
import type { ApiServices } from './services.js';

/** Counting everybody is not free; several scrapers share one count. */
const COUNT_AGAIN_AFTER = 5_000;

/** What the process does, read whenever /metrics is asked for. */
export function registerServiceMetrics(registry: Registry, services: ApiServices): void {
  const { publisher, watch, ended, readiness, tokenCache } = services;
  const gauge = (name: string, help: string, read: () => Reading) =>
    gaugeOf(registry, name, help, read);
  if (tokenCache !== undefined) registerTokenCache(registry, tokenCache);
  gauge('presence_ended_sessions', 'Ended sessions that are remembered.', () => ended.size);
  gauge('presence_as_of_lag_seconds', 'How far as-of is behind the clock.', () =>
    watch.lag === undefined ? undefined : watch.lag / 1_000,
  );
  gauge('presence_ready', '1 while requests are welcome.', () => {
    const { status } = readiness.report();
    return status === 'ok' || status === 'degraded' ? 1 : 0;
  });
  gauge('presence_broker_connected', '1 while the queue can be reached.', () =>
    publisher.connected ? 1 : 0,
  );
  gauge('presence_database_reachable', '1 while it answers.', () => (watch.reachable ? 1 : 0));
  gauge('presence_online_users', 'Users who are online.', onlineUsers(services));
}

type Reading = number | undefined | Promise<number | undefined>;

function registerTokenCache(registry: Registry, read: () => TokenCounts): void {
  counterOf(registry, 'presence_token_cache_hits_total', 'Tokens known.', () => read().hits);
  counterOf(registry, 'presence_token_cache_misses_total', 'Verified.', () => read().misses);
  gaugeOf(registry, 'presence_token_cache_entries', 'Tokens held.', () => read().size);
}

function counterOf(registry: Registry, name: string, help: string, read: () => number): void {
  new Counter({
    name,
    help,
    registers: [registry],
    collect() {
      this.reset();
      this.inc(read());
    },
  });
}

/**
 * A gauge whose reading is not known has no sample, rather than a wrong one. Where a worker in the same
 * process reads the same, it is still one reading.
 */
function gaugeOf(registry: Registry, name: string, help: string, read: () => Reading): void {
  new Gauge({
    name,
    help,
    aggregator: 'max',
    registers: [registry],
    async collect() {
      const value = await read();
      if (value === undefined) this.remove();
      else this.set(value);
    },
  });
}

function onlineUsers({
  reader,
  logger,
}: Pick<ApiServices, 'logger'> & { reader: Pick<PresenceReader, 'statistics'> }) {
  let counted: { at: number; online: number } | undefined;
  return async (): Promise<number | undefined> => {
    const now = performance.now();
    if (counted !== undefined && now - counted.at < COUNT_AGAIN_AFTER) return counted.online;
    try {
      const { value } = await reader.statistics();
      counted = { at: now, online: value.online };
    } catch (error) {
      counted = undefined;
      logger.debug({ err: error }, 'users could not be counted');
    }
    return counted?.online;
  };
}
