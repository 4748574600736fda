import { setTimeout as wait } from 'node:timers/promises';
import { type ChannelModel, connect } from 'amqplib';
import pg from 'pg';
import type { Client } from './client.js';

/** How a user who kept speaking was told absent. */
export type Way = 'shown' | 'listed' | 'counted' | 'swept' | 'announced';

export interface Absence {
  readonly way: Way;
  /** The user; of a count, how many were missing. */
  readonly subject: number;
  readonly at: string;
}

export interface LedgerOptions {
  readonly addresses: () => readonly string[];
  readonly adminToken: string;
  readonly amqpUrl: string;
  readonly databaseUrl: string;
  /** A client that paused for longer than this was silent itself: the machine held it up. */
  readonly pardonedAfter: number;
}

const LOOK_EVERY = 150;
const PATIENCE = 4_000;
const CHANGES = 'ledger.changes';

interface Told {
  readonly user_id: number;
  readonly to: string;
  readonly cause: string;
}

/**
 * Looks at everything that tells who is present, all the time, and notes whoever is told absent
 * although they never stopped speaking: statuses, lists, counts, rows, and announced changes.
 */
export class Ledger {
  readonly #options: LedgerOptions;
  readonly #present = new Map<number, Client>();
  readonly #ending = new AbortController();
  readonly #loops: Promise<void>[] = [];
  readonly absences: Absence[] = [];
  /** Absences of clients that the machine had kept from speaking. */
  pardoned = 0;
  /** Answers that were looked at, and questions that nobody answered. */
  readonly looks = { answered: 0, unanswered: 0, changes: 0 };
  /** Who was announced as expired. */
  readonly expired = new Set<number>();
  /** The latest that anybody said of how far events are processed. */
  asOf = 0;
  #model: ChannelModel | undefined;

  constructor(options: LedgerOptions) {
    this.#options = options;
  }

  async start(): Promise<void> {
    await this.#listen();
    const looks = [
      () => this.#lookAtStatuses(),
      () => this.#lookAtLists(),
      () => this.#lookAtCounts(),
      () => this.#lookAtRows(),
    ];
    for (const look of looks) this.#loops.push(this.#repeat(look, LOOK_EVERY));
    this.#loops.push(this.#repeat(() => this.#listen(), 500));
  }

  async stop(): Promise<void> {
    this.#ending.abort();
    await Promise.all(this.#loops);
    await this.#model?.close().catch(() => {}); // It may have gone with the broker.
  }

  /** From now on these must never be told absent. */
  expect(clients: readonly Client[]): void {
    for (const client of clients) this.#present.set(client.userId, client);
  }

  /** These may be told absent from now on. */
  dismiss(clients: readonly Client[]): void {
    for (const { userId } of clients) this.#present.delete(userId);
  }

  async #repeat(look: () => Promise<void>, pause: number): Promise<void> {
    const { signal } = this.#ending;
    while (!signal.aborted) {
      await look().then(
        () => this.looks.answered++,
        () => this.looks.unanswered++,
      );
      await wait(pause, undefined, { signal }).catch(() => {}); // It is over.
    }
  }

  async #lookAtStatuses(): Promise<void> {
    const body = { user_ids: [...this.#present.keys()] };
    if (body.user_ids.length === 0) return;
    const path = '/api/users/admin/users/online-status/query/';
    await this.#everywhere(path, body, ({ statuses }) => {
      for (const { user_id, online_status } of statuses) {
        if (online_status !== 'online') this.#absent('shown', user_id);
      }
    });
  }

  async #lookAtLists(): Promise<void> {
    await this.#everywhere('/api/users/admin/users/online/?per_page=100', null, (answer) => {
      const listed = new Set(answer.online_users.map(({ id }: { id: number }) => id));
      for (const id of this.#present.keys()) if (!listed.has(id)) this.#absent('listed', id);
      this.#count(answer.online_count);
    });
    const offline = '/api/users/management/list/?online_status=offline&per_page=100';
    await this.#everywhere(offline, null, ({ users }) => {
      for (const { id } of users) this.#absent('listed', id);
    });
  }

  async #lookAtCounts(): Promise<void> {
    const path = '/api/users/management/statistics/';
    await this.#everywhere(path, null, ({ online_users }) => this.#count(online_users));
  }

  #count(online: number): void {
    const missing = this.#present.size - online;
    if (missing <= 0) return;
    if ([...this.#present.values()].some((client) => this.#heldUp(client))) this.pardoned++;
    else this.#note('counted', missing);
  }

  async #lookAtRows(): Promise<void> {
    const client = new pg.Client({
      connectionString: this.#options.databaseUrl,
      connectionTimeoutMillis: PATIENCE,
      query_timeout: PATIENCE,
    });
    client.on('error', () => {}); // The query that it breaks rejects.
    try {
      await client.connect();
      const { rows } = await client.query<{ user_id: string }>(
        `SELECT user_id FROM user_presence WHERE online_status = 'offline'`,
      );
      for (const { user_id } of rows) this.#absent('swept', Number(user_id));
    } finally {
      await client.end().catch(() => {}); // It may have gone with the server.
    }
  }

  /** The queue outlives its consumer, and the broker: no change is missed. */
  async #listen(): Promise<void> {
    if (this.#model) return;
    const model = await connect(this.#options.amqpUrl, { timeout: PATIENCE });
    model.on('error', () => {}); // 'close' follows.
    model.on('close', () => {
      this.#model = undefined;
    });
    try {
      await this.#consume(model);
      this.#model = model;
    } catch (error) {
      await model.close().catch(() => {}); // It may be why.
      throw error;
    }
  }

  async #consume(model: ChannelModel): Promise<void> {
    const channel = await model.createChannel();
    channel.on('error', () => {});
    await channel.assertQueue(CHANGES, { arguments: { 'x-queue-type': 'quorum' } });
    await channel.bindQueue(CHANGES, 'presence.changes', '#');
    await channel.consume(CHANGES, (message) => {
      if (!message) return;
      this.#hear(JSON.parse(message.content.toString()));
      channel.ack(message);
    });
  }

  #hear({ user_id, to, cause }: Told): void {
    this.looks.changes++;
    if (cause === 'expired') this.expired.add(user_id);
    if (to === 'offline') this.#absent('announced', user_id);
  }

  // biome-ignore lint/suspicious/noExplicitAny: what it reads of an answer is what it looks for.
  async #everywhere(path: string, body: unknown, look: (answer: any) => void): Promise<void> {
    for (const address of this.#options.addresses()) {
      const response = await fetch(address + path, {
        headers: {
          authorization: `Bearer ${this.#options.adminToken}`,
          ...(body === null ? {} : { 'content-type': 'application/json' }),
        },
        ...(body === null ? {} : { method: 'POST', body: JSON.stringify(body) }),
        signal: AbortSignal.timeout(PATIENCE),
      });
      const answer = await response.json();
      if (response.status !== 200) throw new Error(`${path}: ${response.status}`);
      this.asOf = Math.max(this.asOf, Date.parse(response.headers.get('presence-as-of') ?? ''));
      look(answer);
    }
  }

  #absent(way: Way, userId: number): void {
    const client = this.#present.get(userId);
    if (!client) return;
    if (this.#heldUp(client)) this.pardoned++;
    else this.#note(way, userId);
  }

  #heldUp(client: Client): boolean {
    return client.longestPause > this.#options.pardonedAfter;
  }

  #note(way: Way, subject: number): void {
    this.absences.push({ way, subject, at: new Date().toISOString() });
  }
}
