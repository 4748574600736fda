import { services, stopServices } from './services.js';

/** Mocha's global fixtures: once before and once after all files of a run. */
export async function mochaGlobalSetup(): Promise<void> {
  await services();
}

export async function mochaGlobalTeardown(): Promise<void> {
  await stopServices();
}
