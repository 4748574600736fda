import { type WorkerSurroundings, wireWorker } from './container.js';
import type { WorkerSettings } from './settings.js';
import type { Worker } from './worker.js';

/**
 * Starts a worker in this process, beside whatever else runs in it. Pool and broker are the
 * caller's to end, after `stop`.
 */
export async function startWorker(
  surroundings: WorkerSurroundings,
  settings: WorkerSettings,
): Promise<Worker> {
  const worker = wireWorker(surroundings, settings);
  await worker.start();
  return worker;
}
