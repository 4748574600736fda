import { randomUUID } from 'node:crypto';
import { type FolderLock, startEmbeddedPostgres } from '@presence/adapters/embedded';
import type { Environment } from '@presence/adapters/environment';
import { JwtIssuer } from '@presence/adapters/jwt';
import { type DatabaseAddress, migrate } from '@presence/adapters/postgres';
import { createLogger } from '@presence/adapters/process';
import { whileUnavailable } from '@presence/worker';
import type { Logger } from 'pino';
import type { Registry } from 'prom-client';
import { isEmbedded, needsSecret, readConfig, type StandaloneConfig } from './config.js';
import { lockDataFolder } from './data-folder.js';
import { addDemoUsers, DEMO_ADMIN, DEMO_USER, demoUser } from './demo-users.js';
import { keptSecret } from './jwt-secret.js';
import { databaseFolder } from './open-database.js';
import { type Service, startService } from './service.js';
import { type DemoFacts, welcome } from './welcome.js';

export interface Standalone {
  readonly welcome: string;
  readonly logger: Logger;
  readonly registry: Registry;
  close(): Promise<void>;
}

/** Long enough for an evening's play; the token of a login lasts ACCESS_TOKEN_TTL. */
const DEMO_TOKEN_TTL = 12 * 3_600_000;

/**
 * Starts all of presence in this process.
 * @param demo whether to make demo users on a database that is not our own, too
 * @param stopping aborted: a database that is away is waited for no longer
 * @throws FolderTaken; the listen error where a port is taken; Unavailable
 */
export async function startStandalone(
  environment: Environment,
  { demo }: { demo: boolean },
  stopping: AbortSignal,
): Promise<Standalone> {
  const lock = await lockDataFolder(environment);
  const opened: (() => Promise<void>)[] = [() => lock.release()];
  const close = async () => {
    for (const end of opened.splice(0).reverse()) await end();
  };
  try {
    const withDemo = demo || isEmbedded(environment);
    const secret = needsSecret(environment) ? await keptSecret(lock.folder) : null;
    const config = readConfig(environment, secret, withDemo);
    const logger = createLogger('presence', config.log.level);
    const database = await openDatabase(config, lock, logger, opened, stopping);
    const service = await startService(config, database, logger);
    opened.push(() => service.close());
    const facts = withDemo ? await demoFacts(service) : null;
    const { registry } = service;
    return { welcome: welcomeText(config, lock, service, facts), logger, registry, close };
  } catch (error) {
    await close();
    throw error;
  }
}

async function openDatabase(
  { database }: StandaloneConfig,
  lock: FolderLock,
  logger: Logger,
  opened: (() => Promise<void>)[],
  stopping: AbortSignal,
): Promise<DatabaseAddress> {
  const { url, caFile, migrateOnStart } = database;
  if (url !== undefined) {
    const address = { url, ...(caFile === undefined ? {} : { caFile }) };
    if (migrateOnStart) await migrateWhenThere(address, logger, stopping);
    return address;
  }
  const onError = (err: unknown) => logger.warn({ err }, 'housekeeping of the database failed');
  const postgres = await startEmbeddedPostgres(databaseFolder(lock.folder), { onError });
  opened.push(() => postgres.close());
  await migrate(postgres);
  await lock.publish(postgres.url);
  return postgres;
}

/** A server that starts together with this process may need longer. @throws Unavailable */
async function migrateWhenThere(
  address: DatabaseAddress,
  logger: Logger,
  stopping: AbortSignal,
): Promise<void> {
  const often = { first: 200, longest: 2_000, giveUpAfter: Number.POSITIVE_INFINITY };
  await whileUnavailable(
    () => migrate(address),
    often,
    stopping,
    (err) => logger.warn({ err }, 'waiting for the database'),
  );
}

async function demoFacts({ dependencies, settings }: Service): Promise<DemoFacts | null> {
  const { users, hasher } = dependencies;
  await addDemoUsers(users, hasher);
  const { ownIssuer } = settings;
  const user = await demoUser(users, DEMO_USER, ownIssuer);
  const admin = await demoUser(users, DEMO_ADMIN, ownIssuer);
  const { signing, audiences, claims, adminRole } = settings.tokens;
  if (user === null || admin === null || signing === null) return null;
  const issuer = new JwtIssuer({
    ...{ signing, claims, adminRole, issuer: ownIssuer, audience: audiences[0] ?? '' },
    accessTokenTtl: DEMO_TOKEN_TTL,
  });
  const adminToken = issuer.issue(admin, randomUUID());
  return { adminToken, tokenLasts: '12 hours', userId: user.id };
}

function welcomeText(
  config: StandaloneConfig,
  lock: FolderLock,
  { api, ops }: Service,
  demo: DemoFacts | null,
): string {
  const { host } = config.http;
  const at = (port: number) => `http://${reachable(host)}:${port}`;
  const { url } = config.database;
  return welcome({
    address: at(api.address.port),
    opsAddress: at(ops.port),
    database: url === undefined ? `embedded, in ${lock.folder}` : hostOf(url),
    queue: config.broker.urls?.map(hostOf).join(', ') ?? 'inside this process',
    demo,
  });
}

/** What to type where the server listens on every address. */
function reachable(host: string): string {
  if (host === '0.0.0.0' || host === '::') return '127.0.0.1';
  return host.includes(':') ? `[${host}]` : host;
}

/** Without the password. */
function hostOf(url: string): string {
  return URL.canParse(url) ? new URL(url).host : 'as configured';
}
