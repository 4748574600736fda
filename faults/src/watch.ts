import { setTimeout as wait } from 'node:timers/promises';
import type { Someone } from './caller.js';
import { ask } from './http.js';

export interface WatchOptions {
  readonly people: readonly Someone[];
  readonly reader: Someone;
  readonly addresses: () => readonly string[];
}

/** Most that one question may ask for. */
const MOST = 500;
const LOOK_EVERY = 500;

/** Asks, all the time and every API, how people are who must never be shown offline. */
export class Watch {
  readonly #options: WatchOptions;
  readonly #ending = new AbortController();
  #looking: Promise<void> | undefined;
  readonly absences: string[] = [];
  /** How often somebody was looked at. */
  looks = 0;

  constructor(options: WatchOptions) {
    this.#options = options;
  }

  start(): void {
    this.#looking ??= this.#run();
  }

  async stop(): Promise<void> {
    this.#ending.abort();
    await this.#looking;
  }

  async #run(): Promise<void> {
    const { signal } = this.#ending;
    while (!signal.aborted) {
      for (const api of this.#options.addresses()) await this.#look(api);
      await wait(LOOK_EVERY, undefined, { signal }).catch(() => {}); // It is over.
    }
  }

  /** As a background poller, whose own presence does not count. */
  async #look(api: string): Promise<void> {
    const user_ids = this.#options.people.slice(0, MOST).map(({ userId }) => userId);
    const url = `${api}/api/users/admin/users/online-status/query/`;
    const { token } = this.#options.reader;
    const asked = { method: 'POST', url, token, passive: true, body: { user_ids } } as const;
    const answer = await ask(asked).catch(() => null); // It was killed.
    if (answer?.code !== 200) return;
    for (const { user_id, online_status, last_seen } of answer.body.statuses) {
      this.looks++;
      if (online_status !== 'offline') continue;
      const at = new Date().toISOString();
      this.absences.push(`user ${user_id} was shown offline at ${at}, last seen ${last_seen}`);
    }
  }
}
