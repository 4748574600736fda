import { setTimeout as wait } from 'node:timers/promises';
import type { Person } from '@presence/test-services/system';
import type pg from 'pg';
import { Connections } from './connections.js';
import { ask } from './probe.js';

/** A second, all of them together. */
const RATE = 100;

/** People beside a load who write down what they are told, and whose rows are held against it. */
export class Witnesses {
  static readonly COUNT = 1_000;
  readonly #people: readonly Person[];
  readonly #url: string;
  readonly #connections: Connections;
  /** What each was last told: when they were seen. */
  readonly #told = new Map<number, string>();
  #running: Promise<void> | undefined;
  #ends = false;

  constructor(people: readonly Person[], url: string) {
    this.#people = people;
    this.#url = url;
    this.#connections = new Connections(new URL(url));
  }

  /** How many of them have been told something. */
  get answers(): number {
    return this.#told.size;
  }

  start(): void {
    this.#running = this.#speak();
  }

  async stop(): Promise<void> {
    this.#ends = true;
    await this.#running;
    this.#connections.close();
  }

  /** @returns how many rows say another time than their user was told */
  async wrongRows(pool: pg.Pool): Promise<number> {
    const { rows } = await pool.query<{ wrong: number }>(
      `SELECT count(*)::int AS wrong FROM unnest($1::bigint[], $2::timestamptz[]) AS told (id, seen)
        JOIN user_presence p ON p.user_id = told.id WHERE p.last_seen IS DISTINCT FROM told.seen`,
      [[...this.#told.keys()], [...this.#told.values()]],
    );
    return rows[0]!.wrong;
  }

  async #speak(): Promise<void> {
    const began = performance.now();
    for (let turn = 0; !this.#ends; turn++) {
      const { userId, token } = this.#people[turn % this.#people.length]!;
      const answer = await ask({ method: 'POST', url: this.#url, token }, this.#connections);
      this.#told.set(userId, (JSON.parse(answer) as { last_seen: string }).last_seen);
      await wait(Math.max(0, began + (turn / RATE) * 1_000 - performance.now()));
    }
  }
}
