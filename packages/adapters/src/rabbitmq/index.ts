export type { PublisherMetrics } from '../publishing/publisher-metrics.js';
export type { PublisherOptions } from '../publishing/queue-publisher.js';
export type { ConnectionMetrics } from './connection-metrics.js';
export {
  DEAD_LETTER_WINDOW,
  type DeadLetter,
  DeadLetterQueue,
  NoDeadLetterQueue,
  type ReplayedMessage,
} from './dead-letter-queue.js';
export { RabbitmqBroker, type RabbitmqOptions } from './rabbitmq-broker.js';
export type { SourceOptions } from './rabbitmq-source.js';
export type { SourceMetrics } from './source-metrics.js';
export { type Topology, TopologyMissing } from './topology.js';
