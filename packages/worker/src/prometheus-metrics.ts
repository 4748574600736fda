import { Counter, Gauge, Histogram, type Registry } from 'prom-client';
import type { WorkerMetrics } from './metrics.js';

const SECONDS = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10];

/** The worker's figures as Prometheus reads them. */
export function prometheusMetrics(registry: Registry): WorkerMetrics {
  const registers = [registry];
  const batchSize = new Histogram({
    name: 'presence_batch_events',
    help: 'Events in one flush, before they are folded by user.',
    buckets: [1, 3, 10, 30, 100, 300, 1_000, 3_000],
    registers,
  });
  const flush = new Histogram({
    name: 'presence_flush_duration_seconds',
    help: 'From the begin of a flush to its last verdict.',
    buckets: SECONDS,
    registers,
  });
  const lag = new Histogram({
    name: 'presence_event_lag_seconds',
    help: 'From the oldest event of a flush to its committed row.',
    buckets: SECONDS,
    registers,
  });
  const events = new Counter({
    name: 'presence_events_written_total',
    help: 'Events that a flush has settled.',
    registers,
  });
  const refused = new Counter({
    name: 'presence_events_refused_total',
    help: 'Events that were dead-lettered.',
    labelNames: ['reason'],
    registers,
  });
  const swept = new Counter({
    name: 'presence_users_expired_total',
    help: 'Users whose silence a sweep has written.',
    registers,
  });
  const relayed = new Counter({
    name: 'presence_changes_published_total',
    help: 'Changes of visible status that went out.',
    registers,
  });
  const dropped = new Counter({
    name: 'presence_changes_dropped_total',
    help: 'Changes of visible status that were dropped because too many waited for the broker.',
    registers,
  });
  const asOf = new Gauge({
    name: 'presence_as_of_lag_seconds',
    help: 'How far as-of, against which silence is measured, is behind the clock.',
    aggregator: 'max', // With an API in the same process, which reads it, too.
    registers,
  });
  return {
    flushed(batch) {
      batchSize.observe(batch.events);
      flush.observe(batch.duration / 1_000);
      lag.observe(Math.max(0, batch.lag) / 1_000);
      events.inc(batch.events);
    },
    refused: (reason, count) => refused.inc({ reason }, count),
    swept: (users) => swept.inc(users),
    relayed: (changes) => relayed.inc(changes),
    dropped: (changes) => dropped.inc(changes),
    asOfLag: (behind) => asOf.set(Math.max(0, behind) / 1_000),
  };
}
