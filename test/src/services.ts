import { createDatabase, type Database, type DatabaseOptions, dropTemplate } from './database.js';
import { find, POSTGRES, RABBITMQ, say } from './find.js';
import { dismissGuard } from './guard.js';

/** Real PostgreSQL and RabbitMQ, found once for a whole test run. */
export interface Services {
  /** Of a database whose user may create others. */
  readonly databaseUrl: string;
  readonly amqpUrl: string;
  /** A database for a suite, with all migrations unless `empty` is asked for. */
  createDatabase(options?: DatabaseOptions): Promise<Database>;
}

let running: Promise<{ services: Services; stop: () => Promise<void> }> | undefined;

/** @throws with what to install, where there are no servers to be had */
export async function services(): Promise<Services> {
  running ??= findServices();
  return (await running).services;
}

/** Ends what {@link services} started. */
export async function stopServices(): Promise<void> {
  const ending = running;
  running = undefined;
  await (await ending)?.stop();
  dismissGuard();
}

async function findServices(): Promise<{ services: Services; stop: () => Promise<void> }> {
  const [database, broker] = await Promise.all([find(POSTGRES), find(RABBITMQ)]);
  say(`PostgreSQL at ${hide(database.url)}, RabbitMQ at ${hide(broker.url)}.`);
  const services: Services = {
    databaseUrl: database.url,
    amqpUrl: broker.url,
    createDatabase: (options) => createDatabase(database.url, options),
  };
  const stop = async () => {
    await dropTemplate(database.url);
    await Promise.all([database.stop(), broker.stop()]);
  };
  return { services, stop };
}

function hide(url: string): string {
  return url.replace(/:[^:@/]*@/, ':…@');
}
