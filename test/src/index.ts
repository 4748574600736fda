import { POSTGRES, programsOf, RABBITMQ, startPrivate } from './find.js';
import { startPostgresProgram } from './postgres-server.js';
import { RabbitCluster } from './rabbit-cluster.js';
import type { RabbitServer } from './rabbit-server.js';
import type { Server } from './server.js';

export { temporaryFolder } from './account.js';
export { Child } from './child.js';
export { createDatabase, type Database, type DatabaseOptions } from './database.js';
export { eventually } from './eventually.js';
export { freePort, freePorts } from './free-port.js';
export { type ProcessOptions, startProcess } from './process.js';
export { RabbitCluster } from './rabbit-cluster.js';
export type { RabbitServer } from './rabbit-server.js';
export { nestedHeaders, publishRaw } from './raw-message.js';
export { declareSecondQueue, SECOND_QUEUE, splitQueue, uniteQueue } from './second-queue.js';
export type { Server } from './server.js';
export { type Services, services } from './services.js';
export { TcpProxy } from './system/tcp-proxy.js';

/**
 * A PostgreSQL of a test's own, to be killed and restarted at will.
 * @param settings of its configuration, in place of those of the tests
 */
export async function startPostgres(
  settings: Readonly<Record<string, string>> = {},
): Promise<Server> {
  return startPostgresProgram(await programsOf(POSTGRES), settings);
}

/** A RabbitMQ of a test's own, to be killed and restarted at will. */
export function startRabbit(): Promise<RabbitServer> {
  return startPrivate(RABBITMQ);
}

/** Several RabbitMQs of a test's own that are one cluster. */
export async function startRabbitCluster(size: number): Promise<RabbitCluster> {
  return RabbitCluster.start(await programsOf(RABBITMQ), size);
}
