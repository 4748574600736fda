import type { AddressInfo } from 'node:net';
import { setTimeout as delay } from 'node:timers/promises';
import type { Health } from '@presence/adapters/prometheus';
import type { Duration } from '@presence/domain';
import { createApi } from './app.js';
import type { ApiDependencies } from './dependencies.js';
import { closeServer, createHttpServer, listen } from './server.js';
import type { ServingSettings } from './settings.js';

/** How long the first request has to wait for a database that says nothing. */
const FIRST_LOOK: Duration = 1_000;

export interface RunningApi {
  readonly address: AddressInfo;
  /** What /health/ready says, for a port of operators. */
  health(): Health;
  /**
   * Takes no more requests and finishes those under way, up to `timeout`. The dependencies stay
   * open: whoever made them closes them, the publisher first.
   */
  close(timeout: Duration): Promise<void>;
}

/**
 * Serves the API. It need not wait for broker or database: until both have been there once it
 * says that it is starting.
 * @throws the listen error where the port is taken
 */
export async function startApi(
  dependencies: ApiDependencies,
  settings: ServingSettings,
): Promise<RunningApi> {
  const { logger } = dependencies;
  const { listener, attach, watch, readiness } = createApi(dependencies, settings);
  warnOfOpenRows(settings, logger);
  const server = createHttpServer(settings, listener);
  attach(server);
  // Before it is shown any token it knows whose session has ended, where that can be known.
  await Promise.race([watch.start(), delay(FIRST_LOOK, undefined, { ref: false })]);
  const address = await listen(server, settings.port, settings.host).catch((error: unknown) => {
    watch.stop();
    throw error;
  });
  logger.info({ port: address.port }, 'listening');
  return {
    address,
    health: () => readiness.health(),
    async close(timeout) {
      readiness.drain();
      await closeServer(server, timeout);
      watch.stop();
    },
  };
}

function warnOfOpenRows({ adminAccess }: ServingSettings, logger: ApiDependencies['logger']): void {
  if (adminAccess !== 'authenticated') return;
  logger.warn('PRESENCE_ADMIN_ACCESS=authenticated: every user may read and set every status');
}
