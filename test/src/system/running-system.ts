import { fileURLToPath } from 'node:url';
import { connect } from 'amqplib';
import type { Child } from '../child.js';
import type { Database } from '../database.js';
import { eventually } from '../eventually.js';
import { freePorts } from '../free-port.js';
import { startProcess } from '../process.js';
import { type Services, services } from '../services.js';

const PACKAGES = new URL('../../../packages/', import.meta.url);

function entry(path: string): string {
  return fileURLToPath(new URL(path, PACKAGES));
}

/** Sets a process's wall clock ahead, and leaves its monotonic one alone. */
function clockAhead(milliseconds: number): string {
  const script = `const real=Date.now;Date.now=()=>real()+${milliseconds}`;
  return `--import=data:text/javascript,${encodeURIComponent(script)}`;
}

export const JWT_SECRET = 'a secret for tests, of more than 32 bytes';

export interface Answer {
  readonly status: number;
  readonly headers: Headers;
  // biome-ignore lint/suspicious/noExplicitAny: what a test reads of an answer is what it tests.
  readonly body: any;
}

export interface ApiOptions {
  /** How far its wall clock is ahead, in milliseconds. */
  readonly ahead?: number;
  readonly settings?: Readonly<Record<string, string>>;
}

/** One worker process, and where it says how it is. */
export interface WorkerProcess {
  readonly opsUrl: string;
  readonly process: Child;
}

/** One API process. */
export class Api {
  constructor(
    readonly url: string,
    readonly process: Child,
    /** Where it says how it is, and tells its metrics. */
    readonly opsUrl: string,
  ) {}

  async request(method: string, path: string, token?: string, body?: unknown): Promise<Answer> {
    const response = await fetch(this.url + path, {
      method,
      headers: {
        ...(token === undefined ? {} : { authorization: `Bearer ${token}` }),
        ...(body === undefined ? {} : { 'content-type': 'application/json' }),
      },
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
    });
    const text = await response.text();
    const { status, headers } = response;
    return { status, headers, body: text === '' ? undefined : JSON.parse(text) };
  }

  get(path: string, token?: string): Promise<Answer> {
    return this.request('GET', path, token);
  }

  post(path: string, token?: string, body?: unknown): Promise<Answer> {
    return this.request('POST', path, token, body);
  }

  /** @returns the tokens and the user. */
  async login(username: string): Promise<Answer['body']> {
    const password = `${username}-secret`;
    const answer = await this.post('/api/users/login/', undefined, { username, password });
    if (answer.status !== 200) throw new Error(`Login: ${JSON.stringify(answer.body)}`);
    return answer.body;
  }
}

/** The production shape on this machine: processes of their own, real PostgreSQL and RabbitMQ. */
export class RunningSystem {
  readonly #processes = new Set<Child>();
  readonly #environment: Readonly<Record<string, string>>;
  readonly #services: Services;
  readonly database: Database;

  private constructor(servers: Services, database: Database, settings: Record<string, string>) {
    this.#services = servers;
    this.database = database;
    this.#environment = {
      DATABASE_URL: database.url,
      AMQP_URL: servers.amqpUrl,
      JWT_SECRET,
      HOST: '127.0.0.1',
      LOG_LEVEL: 'warn',
      ...settings,
    };
  }

  get amqpUrl(): string {
    return this.#services.amqpUrl;
  }

  /** @param servers those of all tests, unless a test brings its own */
  static async start(
    settings: Record<string, string> = {},
    servers?: Services,
  ): Promise<RunningSystem> {
    servers ??= await services();
    await removeTopology(servers.amqpUrl);
    return new RunningSystem(servers, await servers.createDatabase(), settings);
  }

  async addUser(username: string, ...flags: string[]): Promise<void> {
    const args = ['add', '--username', username, '--email', `${username}@example.com`, ...flags];
    const command = this.#run('standalone/dist/users-main.js', {}, args);
    command.write(`${username}-secret\n`);
    command.endInput();
    const { code } = await command.exited;
    if (code !== 0) throw new Error(command.output);
  }

  /** Resolves once it is ready. @param options settings are of this process alone */
  async startApi(options: ApiOptions = {}): Promise<Api> {
    const api = await this.spawnApi(options);
    await this.ready(api.url, api.process);
    return api;
  }

  /** Starts one without waiting for it. */
  async spawnApi({ ahead = 0, settings = {} }: ApiOptions = {}): Promise<Api> {
    const [port, opsPort] = await freePorts(2);
    const child = this.#run('api/dist/main.js', {
      PORT: String(port),
      OPS_PORT: String(opsPort),
      ...(ahead === 0 ? {} : { NODE_OPTIONS: clockAhead(ahead) }),
      ...settings,
    });
    return new Api(`http://127.0.0.1:${port}`, child, `http://127.0.0.1:${opsPort}`);
  }

  async startWorker(settings: Readonly<Record<string, string>> = {}): Promise<Child> {
    const worker = await this.spawnWorker(settings);
    await this.ready(worker.opsUrl, worker.process);
    return worker.process;
  }

  /** Starts one without waiting for it. */
  async spawnWorker(settings: Readonly<Record<string, string>> = {}): Promise<WorkerProcess> {
    const [opsPort] = await freePorts(1);
    const process = this.#run('worker/dist/main.js', { OPS_PORT: String(opsPort), ...settings });
    return { process, opsUrl: `http://127.0.0.1:${opsPort}` };
  }

  /** Resolves once a process, at `url`, can do all of its work. @throws when it ends before */
  async ready(url: string, child: Child): Promise<void> {
    await eventually(
      async () => {
        if (!child.running) throw new Error(`It ended: ${child.output}`);
        const response = await fetch(`${url}/health/ready`);
        const body = await response.text();
        if (!body.includes('"ok"')) throw new Error(body);
      },
      { within: 30_000 },
    );
  }

  async stop(): Promise<void> {
    await Promise.all([...this.#processes].map((child) => child.end('SIGTERM')));
    await this.database.drop();
    await removeTopology(this.amqpUrl);
  }

  #run(path: string, env: Record<string, string>, args: readonly string[] = []): Child {
    const child = startProcess(entry(path), { env: { ...this.#environment, ...env }, args });
    this.#processes.add(child);
    return child;
  }
}

/** Suites share the broker, one after the other. */
async function removeTopology(url: string): Promise<void> {
  const connection = await connect(url);
  const channel = await connection.createChannel();
  await channel.deleteQueue('presence.writer');
  await channel.deleteQueue('presence.dead');
  await connection.close();
}
