import type { Duration } from '@presence/domain';

export interface LoopSettings {
  readonly name: string;
  /**
   * How long to pause; where it is a function, it is asked after each run. Without, the job is done
   * once, and again when it is woken.
   */
  readonly interval?: Duration | (() => Duration) | undefined;
}

/** For how long a job that has failed rests, where it has no interval of its own. */
const REST: Duration = 1_000;
/** The longest that a timer can wait: 24 days. */
const FOR_EVER: Duration = 2 ** 31 - 1;

/**
 * Does a job again and again, one run at a time, with a pause in between. A run that fails is told
 * and followed by another; whatever it did not do is still to be done then. The pause after it is
 * not cut short: what wakes a job comes more often than what has failed can be expected to be well.
 */
export class Loop {
  readonly #job: () => Promise<unknown>;
  readonly #settings: LoopSettings;
  readonly #onError: (error: unknown, name: string) => void;
  #running: Promise<void> | undefined;
  #stopping = false;
  #woken = false;
  #failed = false;
  /** Ends the pause, if there is one. Signals of abort cost an idle worker a tenth of its time. */
  #resume: () => void = () => {};

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

  /** Cuts the pause short, or does without the next one: there is something to do. */
  wake(): void {
    this.#woken = true;
    if (!this.#failed) this.#resume();
  }

  /** Resolves once the run in hand, if any, has ended. */
  async stop(): Promise<void> {
    this.#stopping = true;
    this.#resume();
    await this.#running;
  }

  async #run(): Promise<void> {
    while (!this.#stopping) {
      this.#woken = false;
      this.#failed = !(await this.#succeeds());
      const goesOn = this.#stopping || (this.#woken && !this.#failed);
      if (!goesOn) await this.#pause();
    }
  }

  async #succeeds(): Promise<boolean> {
    try {
      await this.#job();
      return true;
    } catch (error) {
      this.#onError(error, this.#settings.name);
      return false;
    }
  }

  #pause(): Promise<void> {
    const { interval = this.#failed ? REST : FOR_EVER } = this.#settings;
    return new Promise((resolve) => {
      const timer = setTimeout(resolve, typeof interval === 'function' ? interval() : interval);
      this.#resume = () => {
        clearTimeout(timer);
        resolve();
      };
    });
  }
}
