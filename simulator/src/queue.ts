import type { Progress, ReportedEvent } from '@presence/domain';

/** One message as a worker sees it. */
export interface Message {
  readonly events: readonly ReportedEvent[];
  /** `null` for publishers that keep no count. */
  readonly progress: Progress | null;
}

/** The durable queue: first in, first out, except for what is handed back. */
export class Queue {
  #waiting: Message[] = [];
  #at = 0;
  longest = 0;

  get length(): number {
    return this.#waiting.length - this.#at;
  }

  push(message: Message): void {
    this.#waiting.push(message);
    this.longest = Math.max(this.longest, this.length);
  }

  /** Puts back in front what was delivered and never acknowledged. */
  requeue(messages: readonly Message[]): void {
    this.#waiting = [...messages, ...this.#waiting.slice(this.#at)];
    this.#at = 0;
  }

  take(): Message | undefined {
    const message = this.#waiting[this.#at];
    if (message === undefined) return undefined;
    this.#at++;
    if (this.#at > 1_024 && this.#at * 2 > this.#waiting.length) this.requeue([]);
    return message;
  }
}
