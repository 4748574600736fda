import type { Health } from '@presence/adapters/prometheus';
import type { Duration, Millis } from '@presence/domain';

export interface Reached {
  readonly database: boolean;
  readonly broker: boolean;
}

/** What a worker tells of itself. */
export interface Observed {
  readonly reached: Reached;
  /** Whether both have been there, be it not now. */
  readonly hasStarted: boolean;
  /** How far events have been processed, and how far that is behind; `undefined`: not known yet. */
  readonly progress: { readonly asOf: Millis; readonly lag: Duration } | undefined;
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
    const report = { status, ...(missing.length > 0 && { missing }), ...this.#age() };
    return { unready, report };
  }

  #age(): object {
    const { progress } = this.#worker;
    if (progress === undefined) return {};
    const as_of = new Date(progress.asOf).toISOString();
    return { as_of, as_of_lag_seconds: progress.lag / 1_000 };
  }

  #status(missing: number): string {
    if (this.#draining) return 'draining';
    if (!this.#worker.hasStarted) return 'starting';
    if (missing === 2) return 'unable';
    return missing === 0 ? 'ok' : 'degraded';
  }
}
