export { type Api, createApi } from './app.js';
export { type ApiConfig, apiSettings, httpSettings } from './config.js';
export { type ApiBroker, type ApiSurroundings, wireApi } from './container.js';
export type { ApiDependencies } from './dependencies.js';
export type { AdminAccess, ApiSettings, ServingSettings } from './settings.js';
export { type RunningApi, startApi } from './start.js';
