import { GenericContainer, getContainerRuntimeClient, Wait } from 'testcontainers';
import { eventually } from './eventually.js';
import { pingPostgres } from './postgres-server.js';
import { pingRabbit } from './rabbit-server.js';

/** Where the tests look for a server, and how they let go of it. */
export interface Found {
  readonly url: string;
  stop(): Promise<void>;
}

export async function dockerIsHere(): Promise<boolean> {
  return getContainerRuntimeClient().then(
    () => true,
    () => false,
  );
}

/** `POSTGRES_IMAGE` names another image, of a private registry for instance. */
export async function startPostgresContainer(): Promise<Found> {
  const container = await new GenericContainer(process.env.POSTGRES_IMAGE ?? 'postgres:17-alpine')
    .withEnvironment({ POSTGRES_USER: 'presence', POSTGRES_PASSWORD: 'presence' })
    .withExposedPorts(5432)
    .withWaitStrategy(Wait.forListeningPorts())
    .start();
  const url = `postgres://presence:presence@${container.getHost()}:${container.getMappedPort(5432)}/postgres`;
  await eventually(() => pingPostgres(url), { within: 60_000, every: 200 });
  return { url, stop: async () => void (await container.stop()) };
}

/** `RABBITMQ_IMAGE` names another image. */
export async function startRabbitContainer(): Promise<Found> {
  const container = await new GenericContainer(process.env.RABBITMQ_IMAGE ?? 'rabbitmq:4-alpine')
    .withExposedPorts(5672)
    .withWaitStrategy(Wait.forListeningPorts())
    .start();
  const url = `amqp://guest:guest@${container.getHost()}:${container.getMappedPort(5672)}`;
  await eventually(() => pingRabbit(url), { within: 120_000, every: 200 });
  return { url, stop: async () => void (await container.stop()) };
}
