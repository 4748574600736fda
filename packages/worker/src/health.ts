import type { Health } from '@presence/adapters/prometheus';

export interface Reached {
  readonly database: boolean;
  readonly broker: boolean;
}

/** What a worker tells of itself. */
export interface Observed {
  readonly reached: Reached;
  /** Whether both have been there, be it not now. */
  readonly hasStarted: boolean;
}

/** Whether the worker is of use: one dependency away is told, but is no reason to replace it. */
export class WorkerHealth {
  readonly #worker: Observed;
  #draining = false;

  constructor(worker: Observed) {
    this.#worker = worker;
  }

  drain(): void {
    this.#draining = true;
  }

  report(): Health {
    const { reached } = this.#worker;
    const missing = (['broker', 'database'] as const).filter((name) => !reached[name]);
    const status = this.#status(missing.length);
    const unready = status !== 'ok' && status !== 'degraded';
    return { unready, report: missing.length > 0 ? { status, missing } : { status } };
  }

  #status(missing: number): string {
    if (this.#draining) return 'draining';
    if (!this.#worker.hasStarted) return 'starting';
    if (missing === 2) return 'unable';
    return missing === 0 ? 'ok' : 'degraded';
  }
}
