export type { PublisherOptions } from '../publishing/queue-publisher.js';
export { MemoryBroker } from './memory-broker.js';
export { type ChangeListener, MemoryChanges } from './memory-changes.js';
export type { DeadLetter, QueuedMessage } from './memory-queue.js';
export type { MemorySourceOptions } from './memory-source.js';
