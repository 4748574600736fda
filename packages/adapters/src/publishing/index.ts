export { type Batch, BatchLog, type PublisherName } from './batch-log.js';
