import { Histogram, type Registry } from 'prom-client';

/** How long requests took, by route template. */
export class RequestMetrics {
  readonly #durations: Histogram<'method' | 'route' | 'status'>;
  /** prom-client hashes labels on each look-up; there are few sets of them, so they are kept. */
  readonly #series = new Map<string, { observe(seconds: number): void }>();

  constructor(registry: Registry) {
    this.#durations = new Histogram({
      name: 'presence_http_request_duration_seconds',
      help: 'How long requests took until their answer was made.',
      labelNames: ['method', 'route', 'status'],
      buckets: [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5],
      registers: [registry],
    });
  }

  observe(method: string, route: string, status: number, seconds: number): void {
    const key = `${method} ${status} ${route}`;
    const known = this.#series.get(key) ?? this.#durations.labels(method, route, `${status}`);
    this.#series.set(key, known);
    known.observe(seconds);
  }
}
