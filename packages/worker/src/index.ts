export { type WorkerConfig, workerSettings } from './config.js';
export type { WorkerBroker, WorkerSurroundings } from './container.js';
export { whileUnavailable } from './retry.js';
export type { WorkerSettings } from './settings.js';
export { startWorker } from './start-worker.js';
export type { Worker } from './worker.js';
