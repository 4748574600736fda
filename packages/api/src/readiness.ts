import type { Health } from '@presence/adapters/prometheus';
import type { Duration, Millis } from '@presence/domain';
import { formatTime } from './wire-time.js';

export type Dependency = 'broker' | 'database';

/** How old what reads say is. Left out before the database has told it. */
export interface Age {
  readonly as_of?: string;
  /** How far that is behind the database's clock. */
  readonly as_of_lag_seconds?: number;
}

export type ReadinessReport = Age &
  (
    | { readonly status: 'ok' }
    | { readonly status: 'degraded'; readonly missing: readonly Dependency[] }
    /** Requests had better go elsewhere. */
    | {
        readonly status: 'starting' | 'draining' | 'unable';
        readonly missing: readonly Dependency[];
      }
  );

interface Probes {
  readonly broker: () => boolean;
  readonly database: () => boolean;
  /** Whether heartbeats can be held although the broker is away. */
  readonly accepting: () => boolean;
  readonly asOf: () => Millis | undefined;
  readonly lag: () => Duration | undefined;
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
    const [missing, age] = [this.#missing(), this.#age()];
    if (this.#draining) return { status: 'draining', missing, ...age };
    if (!this.#seen.broker || !this.#seen.database) return { status: 'starting', missing, ...age };
    if (missing.length === 0) return { status: 'ok', ...age };
    const unable = missing.includes('database') && !this.#probes.accepting();
    return { status: unable ? 'unable' : 'degraded', missing, ...age };
  }

  /** The same for a port of operators. */
  health(): Health {
    const report = this.report();
    return { unready: report.status !== 'ok' && report.status !== 'degraded', report };
  }

  #age(): Age {
    const [asOf, lag] = [this.#probes.asOf(), this.#probes.lag()];
    return {
      ...(asOf !== undefined && { as_of: formatTime(asOf) }),
      ...(lag !== undefined && { as_of_lag_seconds: lag / 1_000 }),
    };
  }

  /** A process has started once each dependency has been there. */
  #missing(): Dependency[] {
    const reached = { broker: this.#probes.broker(), database: this.#probes.database() };
    this.#seen.broker ||= reached.broker;
    this.#seen.database ||= reached.database;
    return (['broker', 'database'] as const).filter((name) => !reached[name]);
  }
}
