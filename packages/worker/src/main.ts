import { createPool, migrate } from '@presence/adapters/postgres';
import {
  collectAlone,
  compileEarly,
  createLogger,
  keepHeapSmall,
  listenFault,
  onStopSignal,
  outliveErrors,
} from '@presence/adapters/process';
import { processRegistry, startOpsServer } from '@presence/adapters/prometheus';
import { RabbitmqBroker } from '@presence/adapters/rabbitmq';
import { readConfig, workerSettings } from './config.js';
import { wireWorker } from './container.js';
import { WorkerHealth } from './health.js';
import { whileUnavailable } from './retry.js';

keepHeapSmall();
collectAlone();
compileEarly();
const config = readConfig(process.env);
const logger = createLogger('presence-worker', config.log.level);
const registry = processRegistry();

const pool = createPool({
  ...config.database,
  size: config.database.poolSize,
  applicationName: 'presence-worker',
});
const broker = new RabbitmqBroker({
  ...config.broker,
  name: 'presence-worker',
  metrics: {
    ready: (connection) => logger.info({ connection }, 'Connected to the broker'),
    lost: (connection, err) => logger.warn({ connection, err }, 'The broker is away'),
    blocked: (connection, blocked) => logger.warn({ connection, blocked }, 'The broker is full'),
  },
});
const worker = wireWorker({ pool, broker, registry, logger }, workerSettings(config));
const health = new WorkerHealth(worker);
const ops = await startOpsServer({
  ...config.ops,
  registry,
  health: () => health.report(),
}).catch(cannotListen);
const stopping = new AbortController();
onStopSignal((signal) => void stop(signal));

outliveErrors(logger, registry);
await start().catch(cannotStart);

async function start(): Promise<void> {
  if (config.database.migrateOnStart) {
    await whileUnavailable(
      () => migrate(config.database),
      { first: 200, longest: 2_000, giveUpAfter: Number.POSITIVE_INFINITY },
      stopping.signal,
      (err) => logger.warn({ err }, 'Waiting for the database'),
    );
  }
  if (stopping.signal.aborted) return;
  broker.start();
  await worker.start();
  logger.info({ ops: ops.port }, 'Worker started');
}

function cannotStart(err: unknown): void {
  if (stopping.signal.aborted) return; // Whoever stops it ends it.
  logger.fatal({ err }, 'The worker cannot start');
  process.exit(1);
}

/** Ends within 10 s: whatever is not done by then is delivered again. */
async function stop(signal: string): Promise<void> {
  logger.info({ signal }, 'Stopping');
  health.drain();
  stopping.abort();
  setTimeout(() => process.exit(1), 9_500).unref();
  await worker.stop();
  await broker.close();
  await pool.end();
  await ops.close();
  logger.info('Stopped');
  process.exit(0);
}

function cannotListen(error: unknown): never {
  const fault = listenFault(error, 'OPS_PORT');
  if (fault === undefined) throw error;
  process.stderr.write(`${fault}\n`);
  process.exit(1);
}
