import type { Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { Duration } from '@presence/domain';
import { createApi } from './app.js';
import type { ApiDependencies } from './dependencies.js';
import { createOps } from './ops.js';
import { closeServer, createHttpServer, listen } from './server.js';
import type { ApiSettings } from './settings.js';

export interface RunningApi {
  readonly address: AddressInfo;
  /** `null` without an `opsPort`. */
  readonly opsAddress: AddressInfo | null;
  /**
   * Takes no more requests and finishes those under way, up to `timeout`. The dependencies stay
   * open: whoever made them closes them, the publisher first.
   */
  close(timeout: Duration): Promise<void>;
}

/**
 * Serves the API. It need not wait for broker or database: until both have been there once it
 * says that it is starting.
 * @throws the listen error where a port is taken
 */
export async function startApi(
  dependencies: ApiDependencies,
  settings: ApiSettings,
): Promise<RunningApi> {
  const { logger } = dependencies;
  const api = createApi(dependencies, settings);
  warnOfOpenRows(settings, logger);
  const server = createHttpServer(settings, api.app.callback());
  const ops = createHttpServer(settings, createOps({ ...api, logger }, settings).callback());
  const address = await listen(server, settings.port, settings.host);
  const opsAddress = await listenOps(ops, settings).catch(async (error: unknown) => {
    await closeServer(server, 0);
    throw error;
  });
  api.watch.start();
  logger.info({ port: address.port, opsPort: opsAddress?.port }, 'listening');
  return {
    address,
    opsAddress,
    async close(timeout) {
      api.readiness.drain();
      await closeServer(server, timeout);
      api.watch.stop();
      await closeServer(ops, 0);
    },
  };
}

async function listenOps(ops: Server, { opsPort, host }: ApiSettings): Promise<AddressInfo | null> {
  return opsPort === null ? null : listen(ops, opsPort, host);
}

function warnOfOpenRows({ adminAccess }: ApiSettings, logger: ApiDependencies['logger']): void {
  if (adminAccess !== 'authenticated') return;
  logger.warn('PRESENCE_ADMIN_ACCESS=authenticated: every user may read and set every status');
}
