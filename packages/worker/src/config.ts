import {
  batchSettings,
  brokerSettings,
  databaseSettings,
  type Environment,
  issuerSettings,
  logSettings,
  port,
  presenceSettings,
  readEnvironmentOrExit,
  sessionSettings,
  settingsGroup,
  text,
} from '@presence/adapters/environment';
import type { WorkerSettings } from './settings.js';

const opsSettings = settingsGroup({
  specs: {
    /** Where /metrics and /health are; not for the public. */
    OPS_PORT: port({ default: 9465 }),
    HOST: text({ default: '0.0.0.0' }),
  },
  settings: ({ OPS_PORT, HOST }) => ({ port: OPS_PORT, host: HOST }),
});

const groups = {
  database: databaseSettings,
  broker: brokerSettings,
  presence: presenceSettings,
  sessions: sessionSettings,
  issuer: issuerSettings,
  batch: batchSettings,
  log: logSettings,
  ops: opsSettings,
};

export type WorkerConfig = ReturnType<typeof readConfig>;

/** All that `npm run worker` is configured by; ends the process with code 2 where it is faulty. */
export function readConfig(environment: Environment) {
  return readEnvironmentOrExit(environment, groups);
}

export function workerSettings(
  config: Pick<WorkerConfig, 'presence' | 'sessions' | 'issuer' | 'batch'> & {
    readonly broker: Pick<WorkerConfig['broker'], 'prefetch'>;
  },
): WorkerSettings {
  const { presence, sessions, issuer, batch, broker } = config;
  const { ownIssuer } = issuer;
  return { ...presence, ...sessions, ownIssuer, batch, prefetch: broker.prefetch };
}
