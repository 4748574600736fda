import { setTimeout as wait } from 'node:timers/promises';

/** Where a client may speak to; a load balancer's part is played by the client itself. */
export type Addresses = () => readonly string[];

/** What a client asks for: its heartbeat, or whatever an application of another team has to offer. */
export interface Asked {
  readonly method: string;
  readonly path: string;
}

const HEARTBEAT: Asked = { method: 'POST', path: '/api/users/heartbeat/' };

export interface ClientOptions {
  readonly userId: number;
  readonly token: string;
  readonly addresses: Addresses;
  /** Default: a heartbeat. */
  readonly asks?: Asked | undefined;
  /** Milliseconds between heartbeats. */
  readonly interval: number;
}

/** How long a client waits for an answer before it takes the API for gone. */
const PATIENCE = 3_000;
const TRY_ANOTHER_AFTER = 100;

/** A page that keeps its person online: it beats (or asks), obeys 503 and Retry-After, and turns to another API. */
export class Client {
  readonly userId: number;
  readonly #options: ClientOptions;
  readonly #leaving = new AbortController();
  readonly answers = { accepted: 0, refused: 0, unanswered: 0 };
  /** Answers that no client should ever see. */
  readonly faults: string[] = [];
  #living: Promise<void> | undefined;
  #turn: number;
  #beganAt = performance.now();
  #longestPause = 0;

  constructor(options: ClientOptions) {
    this.#options = options;
    this.userId = options.userId;
    this.#turn = options.userId;
  }

  /** The longest time between two attempts to speak: on a busy machine the client itself may be late. */
  get longestPause(): number {
    return Math.max(this.#longestPause, this.gone ? 0 : performance.now() - this.#beganAt);
  }

  get gone(): boolean {
    return this.#leaving.signal.aborted;
  }

  forgetPauses(): void {
    this.#longestPause = 0;
  }

  start(): void {
    this.#living ??= this.#live();
  }

  /** The lid is closed: no farewell. */
  async leave(): Promise<void> {
    this.#leaving.abort();
    await this.#living;
  }

  async #live(): Promise<void> {
    await this.#pause(Math.random() * this.#options.interval);
    while (!this.gone) await this.#pause(await this.#beat());
  }

  /** @returns how long to wait for the next turn */
  async #beat(): Promise<number> {
    const began = performance.now();
    this.#longestPause = Math.max(this.#longestPause, began - this.#beganAt);
    this.#beganAt = began;
    try {
      const response = await this.#send();
      await response.arrayBuffer();
      return this.#next(response, began);
    } catch {
      // Nobody there: the next one, at once.
      this.answers.unanswered++;
      this.#turn++;
      return TRY_ANOTHER_AFTER;
    }
  }

  #send(): Promise<Response> {
    const { addresses, asks: { method, path } = HEARTBEAT } = this.#options;
    const all = addresses();
    return fetch(all[this.#turn % all.length] + path, {
      method,
      headers: { authorization: `Bearer ${this.#options.token}` },
      signal: AbortSignal.timeout(PATIENCE),
    });
  }

  #next({ status, headers }: Response, began: number): number {
    if (status === 503) {
      this.answers.refused++;
      return Number(headers.get('retry-after')) * 1_000;
    }
    if (status === 200) this.answers.accepted++;
    else this.faults.push(`user ${this.userId} was answered ${status}`);
    return Math.max(0, this.#options.interval - (performance.now() - began));
  }

  async #pause(milliseconds: number): Promise<void> {
    if (this.gone) return;
    await wait(milliseconds, undefined, { signal: this.#leaving.signal }).catch(() => {}); // It left.
  }
}
