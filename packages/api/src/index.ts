export { type Api, createApi } from './app.js';
export type {
  AdapterCounts,
  ApiDependencies,
  PublisherCounts,
  TokenCounts,
} from './dependencies.js';
export { createLogger } from './log.js';
export type { AdminAccess, ApiSettings } from './settings.js';
export { type RunningApi, startApi } from './start.js';
