import { createSecretKey, randomUUID } from 'node:crypto';
import { fileURLToPath } from 'node:url';
import { JwtIssuer } from '@presence/adapters/jwt';
import type { Duration } from '@presence/domain';
import {
  type Child,
  eventually,
  freePorts,
  type Server,
  startPostgres,
  startProcess,
  startRabbit,
} from '@presence/test-services';

/** Shortened, so that an outage spans several times the silence that is allowed. */
export const REAL_INTERVAL: Duration = 2_000;
export const REAL_OFFLINE_AFTER: Duration = 6_000;

const SECRET = randomUUID() + randomUUID();
const PROCESSES = 2;
const SETTINGS = {
  HOST: '127.0.0.1',
  LOG_LEVEL: 'error',
  JWT_SECRET: SECRET,
  HEARTBEAT_INTERVAL: `${REAL_INTERVAL}ms`,
  OFFLINE_AFTER: `${REAL_OFFLINE_AFTER}ms`,
  HEARTBEAT_HORIZON: '5s',
};

const ISSUER = new JwtIssuer({
  signing: { algorithm: 'HS256', key: createSecretKey(Buffer.from(SECRET)) },
  issuer: 'presence',
  audience: 'presence',
  claims: { username: 'username', email: 'email', role: 'role', session: 'sid' },
  adminRole: 'admin',
  accessTokenTtl: 86_400_000,
});

/** Two APIs and two workers, each a process, with a RabbitMQ and a Postgres of their own. */
export class RealSystem {
  readonly #children: Child[] = [];
  #workers: Child[] = [];
  /** Where the APIs are. */
  readonly urls: string[] = [];

  private constructor(
    readonly broker: Server,
    readonly postgres: Server,
  ) {}

  static async start(): Promise<RealSystem> {
    const [broker, postgres] = await Promise.all([startRabbit(), startPostgres()]);
    const system = new RealSystem(broker, postgres);
    for (let each = 0; each < PROCESSES; each++) await system.#startApi();
    await system.startWorkers();
    return system;
  }

  async startWorkers(): Promise<void> {
    this.#workers = [];
    for (let each = 0; each < PROCESSES; each++) {
      const [opsPort] = await freePorts(1);
      const worker = this.#run('worker', { OPS_PORT: String(opsPort) });
      this.#workers.push(worker);
      await ready(`http://127.0.0.1:${opsPort}`, worker);
    }
  }

  async killWorkers(): Promise<void> {
    await Promise.all(this.#workers.map((worker) => worker.end('SIGKILL')));
  }

  async stop(): Promise<void> {
    await Promise.all(this.#children.map((child) => child.end('SIGTERM')));
    await Promise.all([this.broker.dispose(), this.postgres.dispose()]);
  }

  async #startApi(): Promise<void> {
    const [port, opsPort] = await freePorts(2);
    const api = this.#run('api', { PORT: String(port), OPS_PORT: String(opsPort) });
    const url = `http://127.0.0.1:${port}`;
    await ready(url, api);
    this.urls.push(url);
  }

  #run(name: 'api' | 'worker', settings: Record<string, string>): Child {
    const entry = new URL(`../../packages/${name}/dist/main.js`, import.meta.url);
    const urls = { DATABASE_URL: this.postgres.url, AMQP_URL: this.broker.url };
    const child = startProcess(fileURLToPath(entry), {
      env: { ...SETTINGS, ...urls, ...settings },
    });
    this.#children.push(child);
    return child;
  }
}

/** A token of one login; who bears it is made known by it. */
export function tokenOf(user: number, role = 'user'): string {
  const username = `simulated-${user}`;
  return ISSUER.issue({ id: user, username, email: null, role }, randomUUID());
}

async function ready(url: string, child: Child): Promise<void> {
  const look = async () => {
    if (!child.running) throw new Error(child.output);
    return (await fetch(`${url}/health/ready`)).ok;
  };
  await eventually(look, { within: 30_000, every: 100 });
}
