import type { Health } from '@presence/adapters/prometheus';

export interface Reached {
  readonly database: boolean;
  readonly broker: boolean;
}

/** Whether the worker is of use: one dependency away is told, but is no reason to replace it. */
export class WorkerHealth {
  readonly #reached: () => Reached;
  readonly #seen = { database: false, broker: false };
  #draining = false;

  constructor(reached: () => Reached) {
    this.#reached = reached;
  }

  drain(): void {
    this.#draining = true;
  }

  report(): Health {
    const reached = this.#reached();
    this.#seen.database ||= reached.database;
    this.#seen.broker ||= reached.broker;
    const missing = (['broker', 'database'] as const).filter((name) => !reached[name]);
    const status = this.#status(missing.length);
    const unready = status !== 'ok' && status !== 'degraded';
    return { unready, report: missing.length > 0 ? { status, missing } : { status } };
  }

  #status(missing: number): string {
    if (this.#draining) return 'draining';
    if (!this.#seen.database || !this.#seen.broker) return 'starting';
    if (missing === 2) return 'unable';
    return missing === 0 ? 'ok' : 'degraded';
  }
}
