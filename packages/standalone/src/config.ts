import {
  batchSettings,
  type Environment,
  logSettings,
  optionalBrokerSettings,
  optionalDatabaseSettings,
  presenceSettings,
  readEnvironmentOrExit,
  sessionSettings,
  tokenSettings,
} from '@presence/adapters/environment';
import { httpSettings } from '@presence/api';

const groups = {
  http: httpSettings,
  database: optionalDatabaseSettings,
  broker: optionalBrokerSettings,
  tokens: tokenSettings,
  sessions: sessionSettings,
  presence: presenceSettings,
  batch: batchSettings,
  log: logSettings,
};

/** Any of these says who may sign tokens; without one we make a secret of our own. */
const KEYS = ['JWT_SECRET', 'JWT_PUBLIC_KEY', 'JWT_PRIVATE_KEY', 'JWT_JWKS_URL'];

export type StandaloneConfig = ReturnType<typeof readConfig>;

export function needsSecret(environment: Environment): boolean {
  return KEYS.every((name) => !environment[name] && !environment[`${name}_FILE`]);
}

/** Whether the database is our own: then, and only then, the demo users come by themselves. */
export function isEmbedded(environment: Environment): boolean {
  return !environment.DATABASE_URL && !environment.DATABASE_URL_FILE;
}

/**
 * All that `npm start` is configured by; ends the process with code 2 where it is faulty.
 * @param secret what tokens are signed with where the environment names no key
 * @param demo whether there are users whose passwords everybody knows: those are for this machine
 */
export function readConfig(environment: Environment, secret: string | null, demo: boolean) {
  const defaults = {
    ...(secret !== null && { JWT_SECRET: secret }),
    ...(demo && { HOST: '127.0.0.1' }),
  };
  const given = Object.entries(environment).filter(([, value]) => value !== undefined && value);
  return readEnvironmentOrExit({ ...defaults, ...Object.fromEntries(given) }, groups);
}
