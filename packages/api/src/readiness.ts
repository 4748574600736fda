import type { Health } from '@presence/adapters/prometheus';

export type Dependency = 'broker' | 'database';

export type ReadinessReport =
  | { readonly status: 'ok' }
  | { readonly status: 'degraded'; readonly missing: readonly Dependency[] }
  /** Requests had better go elsewhere. */
  | {
      readonly status: 'starting' | 'draining' | 'unable';
      readonly missing: readonly Dependency[];
    };

interface Probes {
  readonly broker: () => boolean;
  readonly database: () => boolean;
  /** Whether heartbeats can be held although the broker is away. */
  readonly accepting: () => boolean;
}

/**
 * Whether this process should be sent requests. One dependency away is no reason to take it out
 * of rotation: it still holds heartbeats, or still serves reads and logins.
 */
export class Readiness {
  readonly #probes: Probes;
  readonly #seen = { broker: false, database: false };
  #draining = false;

  constructor(probes: Probes) {
    this.#probes = probes;
  }

  get draining(): boolean {
    return this.#draining;
  }

  drain(): void {
    this.#draining = true;
  }

  report(): ReadinessReport {
    const missing = this.#missing();
    if (this.#draining) return { status: 'draining', missing };
    if (!this.#seen.broker || !this.#seen.database) return { status: 'starting', missing };
    if (missing.length === 0) return { status: 'ok' };
    const unable = missing.includes('database') && !this.#probes.accepting();
    return { status: unable ? 'unable' : 'degraded', missing };
  }

  /** The same for a port of operators. */
  health(): Health {
    const report = this.report();
    return { unready: report.status !== 'ok' && report.status !== 'degraded', report };
  }

  /** A process has started once each dependency has been there. */
  #missing(): Dependency[] {
    const reached = { broker: this.#probes.broker(), database: this.#probes.database() };
    this.#seen.broker ||= reached.broker;
    this.#seen.database ||= reached.database;
    return (['broker', 'database'] as const).filter((name) => !reached[name]);
  }
}
