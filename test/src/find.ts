import { canInstall, install } from './apt.js';
import {
  dockerIsHere,
  type Found,
  startPostgresContainer,
  startRabbitContainer,
} from './docker.js';
import { pingPostgres, startPostgresProgram } from './postgres-server.js';
import { findPostgres, findRabbit } from './programs.js';
import { pingRabbit, startRabbitProgram } from './rabbit-server.js';
import type { Server } from './server.js';

/** One kind of server that the tests need, and the ways to come by it. */
interface Kind<S extends Server> {
  readonly name: string;
  /** The environment variable with the address of one that is there already. */
  readonly variable: string;
  /** The package of Debian and Ubuntu. */
  readonly aptPackage: string;
  readonly image: string;
  ping(url: string): Promise<void>;
  container(): Promise<Found>;
  programs(): string | undefined;
  start(programs: string): Promise<S>;
}

export const POSTGRES: Kind<Server> = {
  name: 'PostgreSQL',
  variable: 'TEST_DATABASE_URL',
  aptPackage: 'postgresql',
  image: 'POSTGRES_IMAGE',
  ping: pingPostgres,
  container: startPostgresContainer,
  programs: findPostgres,
  start: startPostgresProgram,
};

export const RABBITMQ: Kind<Awaited<ReturnType<typeof startRabbitProgram>>> = {
  name: 'RabbitMQ',
  variable: 'TEST_AMQP_URL',
  aptPackage: 'rabbitmq-server',
  image: 'RABBITMQ_IMAGE',
  ping: pingRabbit,
  container: startRabbitContainer,
  programs: findRabbit,
  start: startRabbitProgram,
};

export function say(text: string): void {
  process.stderr.write(`[test services] ${text}\n`);
}

/** Finds a server by its address, in Docker, or among the machine's programs, in this order. */
export async function find<S extends Server>(kind: Kind<S>): Promise<Found> {
  const given = process.env[kind.variable];
  if (given !== undefined && given !== '') return useGiven(kind, given);
  if (await dockerIsHere()) {
    try {
      say(`${kind.name}: starting a container …`);
      return await kind.container();
    } catch (error) {
      say(`${kind.name}: Docker is here, but gives no container: ${messageOf(error)}`);
    }
  }
  const server = await startPrivate(kind);
  return { url: server.url, stop: () => server.dispose() };
}

async function useGiven(kind: Kind<Server>, url: string): Promise<Found> {
  await kind.ping(url).catch((error: unknown) => {
    throw new Error(`${kind.variable} is set, but nobody answers there: ${messageOf(error)}`);
  });
  return { url, stop: async () => {} };
}

/** Starts one of the machine's programs as a process of our own, installing it where we may. */
export async function startPrivate<S extends Server>(kind: Kind<S>): Promise<S> {
  return kind.start(await programsOf(kind));
}

/** @returns the folder of its programs, for whoever starts them */
export async function programsOf(kind: Kind<Server>): Promise<string> {
  if (kind.programs() === undefined && canInstall()) await installOnce();
  const programs = kind.programs();
  if (programs === undefined) throw new Error(missing(kind));
  say(`${kind.name}: starting a private one from ${programs} …`);
  return programs;
}

let installation: Promise<void> | undefined;

/** Both at once: apt does one thing at a time. */
function installOnce(): Promise<void> {
  const wanted = [POSTGRES, RABBITMQ].filter((kind) => kind.programs() === undefined);
  installation ??= install(
    wanted.map(({ aptPackage }) => aptPackage),
    say,
  );
  return installation;
}

function missing({ name, variable, aptPackage, image }: Kind<Server>): string {
  return [
    `The tests need a ${name}, and there is none. Any one of these will do:`,
    `  - set ${variable} to the address of one that the tests may use;`,
    `  - start Docker (${image} names the image, where not the public one);`,
    `  - install the server: "sudo apt-get install ${aptPackage}" on Debian and Ubuntu,`,
    `    "brew install ${aptPackage.replace('-server', '')}" on macOS. It need not run.`,
  ].join('\n');
}

function messageOf(error: unknown): string {
  if (error instanceof AggregateError) return error.errors.map(messageOf).join('; ');
  return error instanceof Error ? error.message : String(error);
}
