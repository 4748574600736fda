import { type ChildProcess, type SpawnOptions, spawn } from 'node:child_process';
import { guardProcess, releaseProcess } from './guard.js';

const LOG_LIMIT = 1_000_000;

/** A process that a test started, with what it wrote. */
export class Child {
  readonly pid: number;
  readonly exited: Promise<{ code: number | null; signal: NodeJS.Signals | null }>;
  readonly #process: ChildProcess;
  readonly #watchers = new Set<() => void>();
  #stdout = '';
  #stderr = '';
  #ended = false;

  constructor(command: string, args: readonly string[], options: SpawnOptions) {
    // A group of its own: Ctrl-C reaches the test run alone, which ends its servers in order.
    this.#process = spawn(command, args, { stdio: 'pipe', ...options, detached: true });
    this.pid = this.#process.pid ?? 0;
    this.exited = this.#watchExit(command);
    this.#process.stdout?.setEncoding('utf8').on('data', (text: string) => {
      this.#stdout = (this.#stdout + text).slice(-LOG_LIMIT);
      this.#notify();
    });
    this.#process.stderr?.setEncoding('utf8').on('data', (text: string) => {
      this.#stderr = (this.#stderr + text).slice(-LOG_LIMIT);
      this.#notify();
    });
    if (this.pid > 0) guardProcess(this.pid);
  }

  get running(): boolean {
    return !this.#ended;
  }

  /** The last million characters that it wrote to standard output. */
  get stdout(): string {
    return this.#stdout;
  }

  get stderr(): string {
    return this.#stderr;
  }

  get output(): string {
    return this.#stdout + this.#stderr;
  }

  /** Resolves once the output matches. @throws when it ends, or `within` passes, before it does */
  async waitForOutput(pattern: RegExp, within = 30_000): Promise<RegExpMatchArray> {
    let stopWatching = () => {};
    let timer: NodeJS.Timeout | undefined;
    const found = new Promise<RegExpMatchArray>((resolve, reject) => {
      const look = () => {
        const match = pattern.exec(this.#stdout) ?? pattern.exec(this.#stderr);
        if (match) resolve(match);
        else if (this.#ended) reject(this.#silence(pattern, 'it ended'));
      };
      this.#watchers.add(look);
      stopWatching = () => this.#watchers.delete(look);
      timer = setTimeout(() => reject(this.#silence(pattern, `${within} ms passed`)), within);
      look();
    });
    return found.finally(() => {
      stopWatching();
      clearTimeout(timer);
    });
  }

  write(text: string): void {
    this.#process.stdin?.write(text);
  }

  endInput(): void {
    this.#process.stdin?.end();
  }

  signal(name: NodeJS.Signals): void {
    if (this.#process.exitCode === null && this.#process.signalCode === null) {
      this.#process.kill(name);
    }
  }

  /** Signals the whole group and waits for the end; after `patience` ms it is killed. */
  async end(name: NodeJS.Signals, patience = 15_000): Promise<void> {
    this.#signalGroup(name);
    const timer = setTimeout(() => this.#signalGroup('SIGKILL'), patience);
    await this.exited;
    clearTimeout(timer);
    this.#signalGroup('SIGKILL'); // Whoever it left behind.
  }

  async kill(): Promise<void> {
    await this.end('SIGKILL');
  }

  #signalGroup(name: NodeJS.Signals): void {
    if (this.pid === 0) return;
    try {
      process.kill(-this.pid, name);
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'ESRCH') throw error;
    }
  }

  #watchExit(command: string): Promise<{ code: number | null; signal: NodeJS.Signals | null }> {
    return new Promise((resolve) => {
      const ended = (code: number | null, signal: NodeJS.Signals | null) => {
        this.#ended = true;
        if (this.pid > 0) releaseProcess(this.pid);
        this.#notify();
        resolve({ code, signal });
      };
      this.#process.once('error', (error) => {
        this.#stderr += `${command}: ${error.message}\n`;
        if (this.pid === 0) ended(null, null);
      });
      this.#process.once('close', ended);
    });
  }

  #notify(): void {
    for (const watcher of [...this.#watchers]) watcher();
  }

  #silence(pattern: RegExp, why: string): Error {
    return new Error(`No ${pattern} in the output before ${why}:\n${this.output.slice(-4_000)}`);
  }
}
