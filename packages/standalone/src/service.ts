import { setTimeout as delay } from 'node:timers/promises';
import { MemoryBroker } from '@presence/adapters/memory';
import { createPool, type DatabaseAddress } from '@presence/adapters/postgres';
import { type OpsServer, processRegistry, startOpsServer } from '@presence/adapters/prometheus';
import { RabbitmqBroker } from '@presence/adapters/rabbitmq';
import {
  type ApiDependencies,
  type ApiSettings,
  apiSettings,
  type RunningApi,
  startApi,
  wireApi,
} from '@presence/api';
import { startWorker, type Worker, workerSettings } from '@presence/worker';
import type { Logger } from 'pino';
import { AggregatorRegistry, Registry } from 'prom-client';
import type { StandaloneConfig } from './config.js';

/** Together under the 10 s in which a process has to end. */
const FINISH_REQUESTS = 3_000;
const FINISH_PUBLISHING = 1_500;
const FINISH_QUEUE = 1_500;

/** API and worker, running in this process. */
export interface Service {
  readonly dependencies: ApiDependencies;
  readonly settings: ApiSettings;
  readonly api: RunningApi;
  readonly ops: OpsServer;
  readonly registry: Registry;
  /** Answers what is under way, writes what was promised, and ends. */
  close(): Promise<void>;
}

/**
 * Wires API and worker to one queue and one database.
 * @throws the listen error where a port is taken
 */
export async function startService(
  config: StandaloneConfig,
  database: DatabaseAddress,
  logger: Logger,
): Promise<Service> {
  const settings = apiSettings(config);
  const registries = { api: processRegistry(), worker: new Registry() };
  const size = config.database.poolSize;
  const pool = createPool({ ...database, size, applicationName: 'presence' });
  const broker = createBroker(config, logger);
  const surroundings = { pool, broker, logger };
  const dependencies = wireApi({ ...surroundings, registry: registries.api }, settings);
  const parts: Parts = { publisher: dependencies.publisher, broker, pool };
  try {
    parts.api = await startApi(dependencies, settings);
    parts.ops = await startOpsServer({
      host: settings.host,
      port: config.http.opsPort,
      registry: summed(Object.values(registries)),
      health: () => parts.api!.health(),
    });
    parts.worker = await startWorker(
      { ...surroundings, registry: registries.worker },
      workerSettings(withIssuer(config)),
    );
    broker.start();
    const { api, ops } = parts;
    const registry = registries.api;
    return { dependencies, settings, api, ops, registry, close: () => closeParts(parts) };
  } catch (error) {
    await closeParts(parts);
    throw error;
  }
}

interface Parts {
  readonly publisher: ApiDependencies['publisher'];
  readonly broker: MemoryBroker | RabbitmqBroker;
  readonly pool: { end(): Promise<void> };
  api?: RunningApi;
  ops?: OpsServer;
  worker?: Worker;
}

/** The intake first, then what carries it to the database, then the database. */
async function closeParts({ api, ops, publisher, worker, broker, pool }: Parts): Promise<void> {
  await api?.close(FINISH_REQUESTS);
  await publisher.close(FINISH_PUBLISHING);
  if (worker !== undefined) await emptied(broker);
  await worker?.stop();
  await broker.close();
  await ops?.close();
  await pool.end();
}

/** A queue in memory ends with this process: what it holds must reach the worker first. */
async function emptied(broker: MemoryBroker | RabbitmqBroker): Promise<void> {
  if (!(broker instanceof MemoryBroker)) return;
  const deadline = performance.now() + FINISH_QUEUE;
  while (broker.waiting > 0 && performance.now() < deadline) await delay(10);
}

function createBroker({ broker }: StandaloneConfig, logger: Logger): MemoryBroker | RabbitmqBroker {
  const { urls, ...options } = broker;
  if (urls === undefined) return new MemoryBroker();
  return new RabbitmqBroker({
    ...options,
    urls,
    name: 'presence',
    metrics: {
      ready: (connection) => logger.info({ connection }, 'connected to the broker'),
      lost: (connection, err) => logger.warn({ connection, err }, 'the broker is away'),
      blocked: (connection, blocked) => logger.warn({ connection, blocked }, 'the broker is full'),
    },
  });
}

function withIssuer(config: StandaloneConfig) {
  const { issuers } = config.tokens;
  return { ...config, issuer: { issuers, ownIssuer: issuers[0] ?? '' } };
}

/** The metrics of several processes in one: what both count, under one name, is added up. */
function summed(registries: readonly Registry[]): Pick<Registry, 'metrics' | 'contentType'> {
  return {
    contentType: Registry.PROMETHEUS_CONTENT_TYPE,
    metrics: async () => {
      const all = await Promise.all(registries.map((registry) => registry.getMetricsAsJSON()));
      return AggregatorRegistry.aggregate(all).metrics();
    },
  };
}
