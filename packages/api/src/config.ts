import {
  brokerSettings,
  choice,
  databaseSettings,
  duration,
  type Environment,
  list,
  logSettings,
  port,
  presenceSettings,
  readEnvironmentOrExit,
  sessionSettings,
  settingsGroup,
  text,
  tokenSettings,
} from '@presence/adapters/environment';
import type { LoginLimits } from '@presence/adapters/postgres';
import type { ApiSettings } from './settings.js';

/** How long a client may take to send a whole request. */
const REQUEST_TIMEOUT = 15_000;

const LOGIN_LIMIT = /^([1-9]\d{0,5}),\s*([1-9]\d{0,5}),\s*(\S+)$/;

/** What only a process that serves the API is configured by. */
export const httpSettings = settingsGroup({
  specs: {
    /** Where the API listens. */
    PORT: port({ default: 8000 }),
    HOST: text({ default: '0.0.0.0' }),
    /** Where /metrics and /health are, for operators; not for the public. */
    OPS_PORT: port({ default: 9464 }),
    /** Origins that browsers may call from, as https://app.example.com; `*` is any. */
    CORS_ORIGINS: list({ default: [] }),
    /** How many proxies in front append to X-Forwarded-For, or `none`: then it is not believed. */
    TRUST_PROXY: text({ default: 'none' }),
    /** Above a load balancer's: else it sends a request on a connection that is being closed. */
    KEEP_ALIVE_TIMEOUT: duration({ min: 1_000, max: 3_600_000 })({ default: 75_000 }),
    /** `read` opens the rows of readers to every user, `authenticated` every row. */
    PRESENCE_ADMIN_ACCESS: choice(['admin', 'read', 'authenticated'])({ default: 'admin' }),
    /** Failed logins: of an account from one address, of an address at all, and in how long. */
    LOGIN_LIMIT: text({ default: '10,50,15m' }),
  },
  checks: [
    { of: ['CORS_ORIGINS'], fault: ({ CORS_ORIGINS: origins }) => faultyOrigin(origins) },
    {
      of: ['TRUST_PROXY'],
      fault: ({ TRUST_PROXY: proxies }) =>
        /^(none|[0-9])$/.test(proxies)
          ? undefined
          : 'takes none, or how many proxies stand in front of this process: 1 to 9.',
    },
    {
      of: ['OPS_PORT', 'PORT'],
      fault: ({ OPS_PORT: ops, PORT: port }) =>
        ops === port && port !== 0 ? 'is that of PORT. Set another one.' : undefined,
    },
    { of: ['LOGIN_LIMIT'], fault: ({ LOGIN_LIMIT: limit }) => faultyLimit(limit) },
  ],
  settings: (values) => ({
    port: values.PORT,
    host: values.HOST,
    opsPort: values.OPS_PORT,
    corsOrigins: values.CORS_ORIGINS,
    trustedProxies: values.TRUST_PROXY === 'none' ? 0 : Number(values.TRUST_PROXY),
    keepAliveTimeout: values.KEEP_ALIVE_TIMEOUT,
    adminAccess: values.PRESENCE_ADMIN_ACCESS,
    loginLimits: loginLimits(values.LOGIN_LIMIT),
  }),
});

const groups = {
  http: httpSettings,
  database: databaseSettings,
  broker: brokerSettings,
  tokens: tokenSettings,
  sessions: sessionSettings,
  presence: presenceSettings,
  log: logSettings,
};

export type ApiConfig = ReturnType<typeof readConfig>;

/** All that `npm run api` is configured by; ends the process with code 2 where it is faulty. */
export function readConfig(environment: Environment) {
  return readEnvironmentOrExit(environment, groups);
}

export function apiSettings(
  config: Pick<ApiConfig, 'http' | 'tokens' | 'sessions' | 'presence'>,
): ApiSettings {
  return {
    ...config.http,
    ...config.sessions,
    ...config.presence,
    tokens: config.tokens,
    ownIssuer: config.tokens.issuers[0] ?? '',
    requestTimeout: REQUEST_TIMEOUT,
  };
}

function faultyOrigin(origins: readonly string[]): string | undefined {
  const faulty = origins.find((origin) => origin !== '*' && !isOrigin(origin));
  if (faulty === undefined) return undefined;
  return `names ${JSON.stringify(faulty)}, which is no origin. Write it like https://app.example.com.`;
}

/** URL knows of no origin but that of the web's schemes; a web view of an app has one of its own. */
function isOrigin(text: string): boolean {
  if (!URL.canParse(text)) return false;
  const { origin, protocol, host, href } = new URL(text);
  return origin === text || (origin === 'null' && `${protocol}//${host}` === text && href === text);
}

function faultyLimit(text: string): string | undefined {
  try {
    loginLimits(text);
    return undefined;
  } catch {
    return `is ${JSON.stringify(text)}. Write it like 10,50,15m: failures of an account from one address, of an address, and in how long.`;
  }
}

/** @throws Error where it is not written so */
function loginLimits(limit: string): LoginLimits {
  const [, perAccount, perAddress, window = ''] = LOGIN_LIMIT.exec(limit) ?? [];
  const { _parse: parse } = duration({ min: 1_000, max: 7 * 86_400_000 })();
  return {
    perAccount: Number(perAccount),
    perAddress: Number(perAddress),
    window: parse(window),
  };
}
