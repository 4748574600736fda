import type { PublisherMetrics } from '@presence/adapters/rabbitmq';
import { Counter, Histogram, type Registry } from 'prom-client';

/** Counts what a publisher does. */
export function publisherMetrics(registry: Registry): PublisherMetrics {
  const counter = (name: string, help: string) =>
    new Counter({ name, help, registers: [registry] });
  const recorded = counter('presence_events_recorded_total', 'Events taken.');
  const sent = counter('presence_events_sent_total', 'Events sent, after folding.');
  const bytes = counter('presence_sent_bytes_total', 'Bytes of messages sent, bodies alone.');
  const confirmed = counter('presence_events_confirmed_total', 'Events the queue has confirmed.');
  const unconfirmed = counter(
    'presence_events_unconfirmed_total',
    'Events the queue has not confirmed.',
  );
  const sizes = new Histogram({
    name: 'presence_publish_batch_events',
    help: 'Events a message, after folding.',
    buckets: [1, 2, 5, 10, 20, 50, 100, 200, 500, 1_000],
    registers: [registry],
  });
  const delays = new Histogram({
    name: 'presence_publish_confirm_seconds',
    help: 'From the oldest event of a message to its confirmation.',
    buckets: [0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 5, 30],
    registers: [registry],
  });
  const transitions = new Counter({
    name: 'presence_transitions_total',
    help: 'Transitions submitted, by what became of them.',
    labelNames: ['outcome'],
    registers: [registry],
  });
  return {
    recorded: (events) => recorded.inc(events),
    sent: (events, size) => {
      sent.inc(events);
      bytes.inc(size);
      if (events > 0) sizes.observe(events);
    },
    confirmed: (events, after) => {
      confirmed.inc(events);
      if (events > 0) delays.observe(after / 1_000);
    },
    failed: (events) => unconfirmed.inc(events),
    submitted: (outcome) => transitions.inc({ outcome }),
  };
}
