import {
  type ApiDependencies,
  type RunningApi,
  type ServingSettings,
  startApi,
} from '@presence/api';
import { pino } from 'pino';
import { Registry } from 'prom-client';
import { OWN_ISSUER } from './access-token.js';
import { Client } from './answers.js';
import { World } from './world.js';

export const SETTINGS: ServingSettings = {
  host: '127.0.0.1',
  port: 0,
  corsOrigins: [],
  adminAccess: 'admin',
  ownIssuer: OWN_ISSUER,
  heartbeatInterval: 30_000,
  maxClockSkew: 15_000,
  accessTokenTtl: 900_000,
  refreshTokenTtl: 2_592_000_000,
  trustedProxies: 0,
  keepAliveTimeout: 75_000,
  requestTimeout: 15_000,
};

export interface Running {
  readonly world: World;
  readonly client: Client;
  readonly api: RunningApi;
  readonly port: number;
  readonly lines: string[];
  readonly registry: Registry;
}

/** Each test that needs one starts its own API; all of them are closed by {@link closeAll}. */
const running: RunningApi[] = [];

export async function startWorld(
  settings: Partial<ServingSettings> = {},
  change: (dependencies: ApiDependencies) => Partial<ApiDependencies> = () => ({}),
  world = new World(),
): Promise<Running> {
  const lines: string[] = [];
  const logger = pino({ level: 'trace' }, { write: (line) => lines.push(line) });
  const { publisher, reader, users, sessions, verifier, issuer, hasher, limiter, now } = world;
  const ports = { publisher, reader, users, sessions, verifier, issuer, hasher, limiter, now };
  const registry = new Registry();
  const dependencies: ApiDependencies = { ...ports, logger, registry };
  const api = await startApi(
    { ...dependencies, ...change(dependencies) },
    { ...SETTINGS, ...settings },
  );
  running.push(api);
  const client = await Client.of(api.address.port);
  return { world, client, api, port: api.address.port, lines, registry };
}

export async function closeAll(): Promise<void> {
  await Promise.all(running.splice(0).map((api) => api.close(500)));
}
