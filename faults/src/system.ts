import { Argon2Hasher } from '@presence/adapters/argon2';
import type { UserId } from '@presence/domain';
import {
  type Child,
  createDatabase,
  eventually,
  RabbitCluster,
  type RabbitServer,
  type Server,
  startPostgres,
  startRabbit,
  startRabbitCluster,
} from '@presence/test-services';
import {
  ADD_PEOPLE,
  type Api,
  addPeopleValues,
  peopleFrom,
  RunningSystem,
  TcpProxy,
  type WorkerProcess,
} from '@presence/test-services/system';
import { PASSWORD, type Someone, someone } from './caller.js';
import { Database } from './database.js';
import { Listener } from './listener.js';
import { WriterQueue } from './writer-queue.js';

type Settings = Readonly<Record<string, string>>;

/** What runs when a case begins. */
export interface Shape {
  /** Default 2. */
  readonly apis?: number;
  /** Default 2. */
  readonly workers?: number;
  /** Of every process, beside the defaults. */
  readonly settings?: Settings;
  /** Each process has ways of its own to both servers. */
  readonly ways?: boolean;
}

/** How one process is started, where it differs from the others. */
export interface ProcessOptions {
  readonly settings?: Settings;
  /** Give it ways of its own to both servers, that can be cut and held. */
  readonly ways?: boolean;
  /** How far its wall clock is ahead, in milliseconds. */
  readonly ahead?: number;
  /** Do not wait until it is ready. */
  readonly unready?: boolean;
}

/** From one process to the servers. */
export interface Ways {
  readonly broker: TcpProxy;
  readonly database: TcpProxy;
}

export interface RunningApi {
  readonly api: Api;
  readonly url: string;
  readonly process: Child;
  readonly ways: Ways | null;
}

export interface RunningWorker extends WorkerProcess {
  readonly ways: Ways | null;
}

/** By default silence is longer than any case of the main lane: nobody expires by themselves. */
export const OFFLINE_AFTER = 110_000;
/** What the contract gives a recorded event to be on the broker's disk. */
export const CONFIRM_WITHIN = 100;
/** How much of what a process wrote is told where it is not as it should be. */
const MOST_OUTPUT = 4_000;
/** How long after the broker's return an API may still have unconfirmed events of before. */
const CATCHES_UP_WITHIN = 6_000;

/** The service on servers of its own: what a lane of cases breaks and mends. */
export class System {
  readonly broker: RabbitServer;
  readonly postgres: Server;
  readonly listener: Listener;
  readonly queue: WriterQueue;
  readonly database: Database;
  readonly #processes: RunningSystem;
  readonly #ways: TcpProxy[] = [];
  /** Whoever has to know that an API was killed: what it had recorded since is not promised. */
  onApiKilled: (url: string, since: number) => void = () => {};
  apis: RunningApi[] = [];
  workers: RunningWorker[] = [];
  #settings: Settings = {};
  #people = 0;
  #passwordHash: string | undefined;
  #brokerAwaySince: number | null = null;
  #brokerBackAt = 0;
  readonly #killed = new Set<number>();

  private constructor(broker: RabbitServer, postgres: Server, processes: RunningSystem) {
    this.broker = broker;
    this.postgres = postgres;
    this.#processes = processes;
    this.listener = new Listener(() => broker.url);
    this.queue = new WriterQueue(broker);
    this.database = new Database(processes.database.url);
  }

  /** @param brokers how many; several are a cluster */
  static async start(brokers = 1): Promise<System> {
    const [broker, postgres] = await Promise.all([
      brokers === 1 ? startRabbit() : startRabbitCluster(brokers),
      startPostgres(),
    ]);
    const urls = broker instanceof RabbitCluster ? broker.urls : broker.url;
    const processes = await RunningSystem.start(
      { LOG_LEVEL: 'warn', AMQP_URL: urls },
      {
        amqpUrl: broker.url,
        databaseUrl: postgres.url,
        createDatabase: () => createDatabase(postgres.url, { empty: true }),
      },
    );
    return new System(broker, postgres, processes);
  }

  get offlineAfter(): number {
    return Number.parseInt(this.#settings.OFFLINE_AFTER ?? `${OFFLINE_AFTER}ms`, 10);
  }

  /** Brings about what a case begins with; what runs already and is right is kept. */
  async arrange({ apis = 2, workers = 2, settings = {}, ways = false }: Shape): Promise<void> {
    if (JSON.stringify(settings) !== JSON.stringify(this.#settings)) await this.endAll();
    this.#settings = settings;
    await this.#endSurplus(apis, workers);
    await Promise.all([
      ...Array.from({ length: apis - this.apis.length }, () => this.startApi({ ways })),
      ...Array.from({ length: workers - this.workers.length }, () => this.startWorker({ ways })),
    ]);
    await this.listener.start();
  }

  /** Only plain, running processes are kept. */
  async #endSurplus(apis: number, workers: number): Promise<void> {
    const plain = <P extends { process: Child; ways: Ways | null }>(all: P[], most: number) =>
      all.filter(({ process, ways }) => process.running && ways === null).slice(0, most);
    const [keptApis, keptWorkers] = [plain(this.apis, apis), plain(this.workers, workers)];
    const kept = new Set([...keptApis, ...keptWorkers].map(({ process }) => process));
    const all = [...this.apis, ...this.workers].map(({ process }) => process);
    await Promise.all(all.filter((one) => !kept.has(one)).map((one) => one.end('SIGTERM')));
    [this.apis, this.workers] = [keptApis, keptWorkers];
  }

  async endAll(): Promise<void> {
    await this.#endSurplus(0, 0);
  }

  async startApi(options: ProcessOptions = {}): Promise<RunningApi> {
    const ways = options.ways ? await this.#openWays() : null;
    const { ahead = 0 } = options;
    const settings = this.#settingsOf(options, ways);
    const api = await this.#processes.spawnApi({ ahead, settings });
    const running = { api, url: api.url, process: api.process, ways };
    this.apis.push(running);
    if (!options.unready) await this.#processes.ready(api.url, api.process);
    return running;
  }

  async startWorker(options: ProcessOptions = {}): Promise<RunningWorker> {
    const ways = options.ways ? await this.#openWays() : null;
    const worker = await this.#processes.spawnWorker(this.#settingsOf(options, ways));
    const running = { ...worker, ways };
    this.workers.push(running);
    if (!options.unready) await this.#processes.ready(worker.opsUrl, worker.process);
    return running;
  }

  #settingsOf({ settings = {} }: ProcessOptions, ways: Ways | null): Settings {
    const urls = ways && { AMQP_URL: ways.broker.url, DATABASE_URL: ways.database.url };
    return { ...this.#settings, ...urls, ...settings };
  }

  async #openWays(): Promise<Ways> {
    const broker = await TcpProxy.to(this.broker.url);
    const database = await TcpProxy.to(this.database.url);
    this.#ways.push(broker, database);
    return { broker, database };
  }

  /** Only those that run: a load balancer sends nobody to the others. */
  readonly addresses = (): string[] =>
    this.apis.filter(({ process }) => process.running).map(({ url }) => url);

  /**
   * kill -9. What it had recorded and not yet had confirmed goes with it.
   * @param unconfirmedSince where its own way to the broker was broken: since when
   */
  async killApi(api: RunningApi, unconfirmedSince?: number): Promise<void> {
    const killedAt = Date.now();
    this.#killed.add(api.process.pid);
    await api.process.kill();
    this.apis = this.apis.filter((other) => other !== api);
    this.onApiKilled(api.url, unconfirmedSince ?? this.#unconfirmedSince(killedAt));
  }

  async killWorker(worker: RunningWorker): Promise<void> {
    this.#killed.add(worker.process.pid);
    await worker.process.kill();
    this.workers = this.workers.filter((other) => other !== worker);
    worker.ways?.broker.cut();
    worker.ways?.database.cut();
  }

  /**
   * SIGTERM, as an orchestrator ends a process.
   * @returns with what code it exits, and after how many milliseconds
   */
  async end(one: RunningApi | RunningWorker): Promise<{ code: number | null; after: number }> {
    const began = performance.now();
    this.apis = this.apis.filter((other) => other !== one);
    this.workers = this.workers.filter((other) => other !== one);
    one.process.signal('SIGTERM');
    const { code } = await one.process.exited;
    return { code, after: performance.now() - began };
  }

  async killBroker(): Promise<void> {
    this.#brokerAwaySince = Date.now();
    await this.broker.kill();
  }

  async stopBroker(): Promise<void> {
    this.#brokerAwaySince = Date.now();
    await this.broker.stop();
  }

  async restartBroker(): Promise<void> {
    await this.broker.restart();
    this.#brokerBackAt = Date.now();
  }

  #unconfirmedSince(now: number): number {
    const away = this.#brokerAwaySince;
    const catchingUp = !this.broker.running || now - this.#brokerBackAt < CATCHES_UP_WITHIN;
    return away !== null && catchingUp ? away - CONFIRM_WITHIN : now - CONFIRM_WITHIN;
  }

  /** @throws with what a process wrote before it ended, where one did by itself */
  assertRunning(): void {
    for (const { process } of [...this.workers, ...this.apis]) {
      if (process.running || this.#killed.has(process.pid)) continue;
      throw new Error(`A process ended by itself:\n${process.output.slice(-MOST_OUTPUT)}`);
    }
  }

  /** New users, each with a token; with a password they can also log in. */
  async addPeople(
    count: number,
    { role = 'user', canLogIn = false }: { role?: string; canLogIn?: boolean } = {},
  ): Promise<Someone[]> {
    const people = peopleFrom(this.#people + 1, count, role);
    this.#people += count;
    if (canLogIn) this.#passwordHash ??= await new Argon2Hasher().hash(PASSWORD);
    const hash = canLogIn ? (this.#passwordHash ?? null) : null;
    await this.database.query(ADD_PEOPLE, addPeopleValues(people, hash));
    return people.map(someone);
  }

  /** Users that nobody added. */
  strangers(): Promise<UserId[]> {
    return this.database.strangers(this.#people);
  }

  /** Messages that wait for a worker, and changes and transitions that wait in the database. */
  async waiting(): Promise<number> {
    const [row] = await this.database.query<{ count: string }>(
      `SELECT (SELECT count(*) FROM presence_changes) + (SELECT count(*) FROM presence_inbox)
         AS count`,
    );
    return Number(row!.count) + (await this.queue.queued());
  }

  /** Whether every process says that it can do all of its work. @throws with who does not, and why */
  async assertReady(): Promise<void> {
    const apis = this.apis.map(({ url, process }) => ({ name: 'API', url, process }));
    const workers = this.workers.map(({ opsUrl: url, process }) => {
      return { name: 'worker', url, process };
    });
    await Promise.all(
      [...apis, ...workers].map(async ({ name, url, process }) => {
        const response = await fetch(`${url}/health/ready`, { signal: AbortSignal.timeout(2_000) });
        const text = await response.text();
        if (text.includes('"ok"')) return;
        throw new Error(`The ${name} at ${url}: ${text}\n${process.output.slice(-MOST_OUTPUT)}`);
      }),
    );
  }

  async stop(): Promise<void> {
    await this.listener.stop();
    await this.endAll();
    await Promise.all(this.#ways.map((way) => way.close()));
    await Promise.all([this.broker.dispose(), this.postgres.dispose()]);
  }

  /** Whatever state it is in. */
  async discard(): Promise<void> {
    const processes = [...this.apis, ...this.workers].map(({ process }) => process.kill());
    await Promise.all(processes);
    await this.stop();
  }

  /** Resolves once nobody has anything left to do. */
  async idle(within: number, brief = false): Promise<void> {
    await eventually(async () => (await this.waiting()) === 0, { within, every: 100 });
    if (brief) return;
    await eventually(async () => (await this.queue.queuedAndHeld()) === 0, { within, every: 100 });
  }
}
