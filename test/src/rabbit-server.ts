import { execFile } from 'node:child_process';
import { chownSync, readFileSync } from 'node:fs';
import { mkdir, readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as wait } from 'node:timers/promises';
import { promisify } from 'node:util';
import amqp from 'amqplib';
import { type Account, accountFor, temporaryFolder } from './account.js';
import { Child } from './child.js';
import { eventually } from './eventually.js';
import { freePorts } from './free-port.js';
import { findProgram } from './programs.js';
import type { Server } from './server.js';

const run = promisify(execFile);

export interface RabbitServer extends Server {
  /** Runs `rabbitmqctl` on this broker. @returns what it prints */
  ctl(...args: string[]): Promise<string>;

  /** Turns a plugin on that RabbitMQ ships with. */
  enable(plugin: string): Promise<void>;
}

interface Ports {
  readonly amqp: number;
  readonly distribution: number;
  /** Erlang's name server: one of its own, so that the machine's never hears of this broker. */
  readonly names: number;
}

/** Starts a RabbitMQ of its own from the programs in `programs`. */
export async function startRabbitProgram(
  programs: string,
  beside?: RabbitProcess,
): Promise<RabbitProcess> {
  const account = accountFor('rabbitmq');
  const folder = await temporaryFolder('rabbitmq', account);
  const [amqpPort, distribution, names] = await freePorts(3);
  const ports = {
    amqp: amqpPort!,
    distribution: distribution!,
    names: beside?.namesPort ?? names!,
  };
  await writeFiles(folder, ports, account);
  const server = new RabbitProcess(programs, folder, account, ports, beside === undefined);
  await server.restart();
  return server;
}

async function writeFiles(folder: string, ports: Ports, account: Account): Promise<void> {
  const files: Record<string, string> = {
    'rabbitmq.conf': [
      `listeners.tcp.1 = 127.0.0.1:${ports.amqp}`,
      'disk_free_limit.absolute = 50MB',
      'log.file.level = info',
      '',
    ].join('\n'),
    'rabbitmq-env.conf': '',
    enabled_plugins: '[].\n',
  };
  for (const [name, text] of Object.entries(files)) await writeFile(join(folder, name), text);
  for (const name of ['data', 'log', 'home']) {
    await mkdir(join(folder, name));
    own(join(folder, name), account);
  }
  // Who knows it may join; nobody but these servers can reach their ports.
  const cookie = join(folder, 'home', '.erlang.cookie');
  await writeFile(cookie, 'presence', { mode: 0o400 });
  own(cookie, account);
}

function own(path: string, { uid, gid = 0 }: Account): void {
  if (uid !== undefined) chownSync(path, uid, gid);
}

export class RabbitProcess implements RabbitServer {
  readonly url: string;
  #child: Child | undefined;
  #names: Child | undefined;
  #pid = 0;

  constructor(
    private readonly programs: string,
    private readonly folder: string,
    private readonly account: Account,
    private readonly ports: Ports,
    /** Whether the name server is its own, and not that of another one beside it. */
    private readonly keepsNames: boolean,
  ) {
    this.url = `amqp://guest:guest@127.0.0.1:${ports.amqp}`;
  }

  /** Its name in a cluster. */
  get node(): string {
    return `presence-test-${this.ports.amqp}@localhost`;
  }

  get namesPort(): number {
    return this.ports.names;
  }

  /** Of the Erlang machine, not of the shell script around it. */
  get pid(): number {
    return this.#pid;
  }

  get running(): boolean {
    return this.#child?.running ?? false;
  }

  async kill(): Promise<void> {
    await this.#child?.kill();
  }

  async stop(): Promise<void> {
    if (!this.running) return;
    process.kill(this.#pid, 'SIGTERM');
    await this.#child?.exited;
  }

  async restart(): Promise<void> {
    await this.stop();
    await this.#startNames();
    await rm(join(this.folder, 'data', 'pid'), { force: true });
    const child = this.#spawn(join(this.programs, 'rabbitmq-server'), []);
    this.#child = child;
    await eventually(() => this.#ping(child), { within: 120_000, every: 100 });
    this.#pid = Number(await readFile(join(this.folder, 'data', 'pid'), 'utf8'));
  }

  /** Gives up what it holds for what the other one's cluster holds. */
  async join({ node }: RabbitProcess): Promise<void> {
    await this.ctl('stop_app');
    await this.ctl('join_cluster', node);
    await this.ctl('start_app');
    await pingRabbit(this.url);
  }

  async dispose(): Promise<void> {
    await this.kill(); // Its data goes too: an orderly end would only take time.
    await this.#names?.kill();
    await rm(this.folder, { recursive: true, force: true, maxRetries: 5 });
  }

  ctl(...args: string[]): Promise<string> {
    return this.#tool('rabbitmqctl', args);
  }

  async enable(plugin: string): Promise<void> {
    await this.#tool('rabbitmq-plugins', ['enable', plugin]);
  }

  async #tool(name: string, args: readonly string[]): Promise<string> {
    const { stdout } = await run(join(this.programs, name), ['-q', ...args], {
      ...this.account,
      cwd: this.folder,
      env: this.#environment(),
    });
    return stdout;
  }

  /** In the foreground, so that it ends with us; Erlang would leave it behind as a daemon. */
  async #startNames(): Promise<void> {
    if (!this.keepsNames || this.#names?.running) return;
    const program = findProgram('epmd') ?? erlangProgram('epmd');
    if (program === undefined) throw new Error('Erlang is here, but its program epmd is not.');
    this.#names = this.#spawn(program, [
      '-port',
      String(this.ports.names),
      '-address',
      '127.0.0.1',
    ]);
    await wait(50);
    if (!this.#names.running) throw new Error(`epmd does not start:\n${this.#names.output}`);
  }

  #spawn(program: string, args: string[]): Child {
    return new Child(program, args, {
      ...this.account,
      cwd: this.folder,
      env: this.#environment(),
    });
  }

  #environment(): NodeJS.ProcessEnv {
    const at = (name: string) => join(this.folder, name);
    return {
      PATH: process.env.PATH,
      LANG: 'C.UTF-8',
      HOME: at('home'), // Where the cookie is kept.
      RABBITMQ_NODENAME: this.node,
      RABBITMQ_CONF_ENV_FILE: at('rabbitmq-env.conf'),
      RABBITMQ_CONFIG_FILE: at('rabbitmq.conf'),
      RABBITMQ_ENABLED_PLUGINS_FILE: at('enabled_plugins'),
      RABBITMQ_MNESIA_BASE: at('data'),
      RABBITMQ_LOG_BASE: at('log'),
      RABBITMQ_PID_FILE: at(join('data', 'pid')),
      RABBITMQ_GENERATED_CONFIG_DIR: at('data'),
      RABBITMQ_SCHEMA_DIR: at(join('data', 'schema')),
      RABBITMQ_DIST_PORT: String(this.ports.distribution),
      ERL_EPMD_PORT: String(this.ports.names),
      ERL_EPMD_ADDRESS: '127.0.0.1',
      ERL_FLAGS: '-kernel inet_dist_use_interface {127,0,0,1}',
      // Schedulers that spin while idle take the processor from the tests.
      RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS: '+sbwt none +sbwtdcpu none +sbwtdio none',
    };
  }

  async #ping(child: Child): Promise<void> {
    if (!child.running) throw new Error(`RabbitMQ does not start:\n${child.output.slice(-4_000)}`);
    await pingRabbit(this.url);
  }
}

/** @throws unless the broker greets us */
export async function pingRabbit(url: string): Promise<void> {
  const connection = await amqp.connect(url, { timeout: 2_000 });
  connection.on('error', () => {}); // What matters is that it stood.
  await connection.close();
}

/** Erlang keeps its programs in its own folder, next to the machine that `erl` starts. */
function erlangProgram(name: string): string | undefined {
  const erl = findProgram('erl');
  if (erl === undefined) return undefined;
  const root = /^ROOTDIR="?([^"\n]+)"?$/m.exec(readFileSync(erl, 'utf8'))?.[1];
  return root === undefined ? undefined : join(root, 'bin', name);
}
