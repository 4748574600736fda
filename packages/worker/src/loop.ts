import type { Duration } from '@presence/domain';
import { pauseFor } from './retry.js';

export interface LoopSettings {
  readonly name: string;
  /** How long to pause; where it is a function, it is asked after each run. */
  readonly interval: Duration | (() => Duration);
}

/**
 * Does a job again and again, one run at a time, with a pause in between. A run that fails is told
 * and followed by another; whatever it did not do is still to be done then. The pause after it is
 * not cut short: what wakes a job comes more often than what has failed can be expected to be well.
 */
export class Loop {
  readonly #job: () => Promise<unknown>;
  readonly #settings: LoopSettings;
  readonly #onError: (error: unknown, name: string) => void;
  readonly #stopping = new AbortController();
  #pause = new AbortController();
  #running: Promise<void> | undefined;

  constructor(
    settings: LoopSettings,
    job: () => Promise<unknown>,
    onError: (error: unknown, name: string) => void,
  ) {
    this.#settings = settings;
    this.#job = job;
    this.#onError = onError;
  }

  start(): void {
    this.#running ??= this.#run();
  }

  /** Cuts the pause short: there is something to do. */
  wake(): void {
    this.#pause.abort();
  }

  /** Resolves once the run in hand, if any, has ended. */
  async stop(): Promise<void> {
    this.#stopping.abort();
    this.wake();
    await this.#running;
  }

  async #run(): Promise<void> {
    while (!this.#stopping.signal.aborted) {
      this.#pause = new AbortController();
      let { signal } = this.#pause;
      try {
        await this.#job();
      } catch (error) {
        this.#onError(error, this.#settings.name);
        signal = this.#stopping.signal;
      }
      await pauseFor(this.#interval, signal);
    }
  }

  get #interval(): Duration {
    const { interval } = this.#settings;
    return typeof interval === 'function' ? interval() : interval;
  }
}
