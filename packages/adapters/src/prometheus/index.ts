export { type Health, type OpsOptions, type OpsServer, startOpsServer } from './ops-server.js';
export { processRegistry } from './process-metrics.js';
