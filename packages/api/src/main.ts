import { setTimeout as delay } from 'node:timers/promises';
import { createPool, migrate } from '@presence/adapters/postgres';
import {
  collectAlone,
  createLogger,
  keepHeapSmall,
  listenFault,
  onStopSignal,
  outliveErrors,
} from '@presence/adapters/process';
import { processRegistry, startOpsServer } from '@presence/adapters/prometheus';
import { RabbitmqBroker } from '@presence/adapters/rabbitmq';
import { Unavailable } from '@presence/domain';
import { apiSettings, readConfig } from './config.js';
import { wireApi } from './container.js';
import { startApi } from './start.js';

/** Together under the 10 s in which a process has to end. */
const FINISH_REQUESTS = 5_000;
const FINISH_PUBLISHING = 3_000;
const LATEST_END = 9_500;

keepHeapSmall();
collectAlone();
const config = readConfig(process.env);
const settings = apiSettings(config);
const logger = createLogger('presence-api', config.log.level);
const registry = processRegistry();

const pool = createPool({
  ...config.database,
  size: config.database.poolSize,
  applicationName: 'presence-api',
});
const broker = new RabbitmqBroker({
  ...config.broker,
  name: 'presence-api',
  metrics: {
    ready: (connection) => logger.info({ connection }, 'connected to the broker'),
    lost: (connection, err) => logger.warn({ connection, err }, 'the broker is away'),
    blocked: (connection, blocked) => logger.warn({ connection, blocked }, 'the broker is full'),
  },
});
const stopping = new AbortController();
const dependencies = wireApi({ pool, broker, registry, logger }, settings);
const api = await startApi(dependencies, settings).catch(cannotListen);
const ops = await startOpsServer({
  host: settings.host,
  port: config.http.opsPort,
  registry,
  health: () => api.health(),
}).catch(cannotListen);
onStopSignal((signal) => void stop(signal));
broker.start();
outliveErrors(logger, registry);
await migrateWhenThere().catch(cannotMigrate);

/** The API serves meanwhile, and says that it is starting. */
async function migrateWhenThere(): Promise<void> {
  while (config.database.migrateOnStart && !stopping.signal.aborted) {
    try {
      await migrate(config.database);
      return;
    } catch (err) {
      if (!(err instanceof Unavailable)) throw err;
      logger.warn({ err }, 'waiting for the database');
      await delay(500 + Math.random() * 500);
    }
  }
}

function cannotMigrate(err: unknown): never {
  logger.fatal({ err }, 'the database cannot be brought up to date');
  process.exit(1);
}

/** What is still on its way after that is sent again by its client, or lost with this process. */
async function stop(signal: string): Promise<void> {
  logger.info({ signal }, 'stopping');
  stopping.abort();
  setTimeout(() => process.exit(1), LATEST_END).unref();
  await api.close(FINISH_REQUESTS);
  await dependencies.publisher.close(FINISH_PUBLISHING);
  await broker.close();
  await pool.end();
  await ops.close();
  logger.info('stopped');
  process.exit(0);
}

function cannotListen(error: unknown): never {
  const fault = listenFault(error, 'PORT or OPS_PORT');
  if (fault === undefined) throw error;
  process.stderr.write(`${fault}\n`);
  process.exit(1);
}
