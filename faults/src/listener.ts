import { randomUUID } from 'node:crypto';
import { setTimeout as wait } from 'node:timers/promises';
import { CHANGES_EXCHANGE, DEAD_LETTERS, REASON_HEADER } from '@presence/adapters/wire';
import type { StatusChange } from '@presence/domain';
import { eventually } from '@presence/test-services';
import { type Channel, type ChannelModel, connect } from 'amqplib';
import type { DeadLetter } from './reckoning.js';

const CHANGES = 'faults.changes';
const MARKER = 'faults.marker';

/**
 * Hears every change: its queue outlives it, and the broker's end. It also takes letters out of
 * the dead-letter queue, so that each case begins with none.
 */
export class Listener {
  readonly #url: () => string;
  readonly #ending = new AbortController();
  readonly #markers = new Set<string>();
  #model: ChannelModel | undefined;
  #channel: Channel | undefined;
  #living: Promise<void> | undefined;
  /** In order of hearing, repeats included. */
  heard: StatusChange[] = [];

  /** @param url of the broker; of a cluster, of a member that runs now */
  constructor(url: () => string) {
    this.#url = url;
  }

  /** Resolves once it hears. The exchange must be there. */
  async start(): Promise<void> {
    this.#living ??= this.#live();
    await eventually(() => this.#channel !== undefined, { within: 30_000 });
  }

  async stop(): Promise<void> {
    this.#ending.abort();
    await this.#model?.close().catch(() => {}); // It may have gone with the broker.
    await this.#living;
  }

  /**
   * Resolves once everything that was announced before has been heard. Its queue is bound anew: a
   * new exchange knows of no queue.
   */
  async catchUp(): Promise<void> {
    const id = randomUUID();
    await eventually(
      async () => {
        await this.#channel?.bindQueue(CHANGES, CHANGES_EXCHANGE, '#');
        this.#channel?.publish(CHANGES_EXCHANGE, MARKER, Buffer.from(id));
        await wait(20);
        return this.#markers.has(id);
      },
      { within: 30_000 },
    );
  }

  /** Takes all letters. */
  async takeLetters(): Promise<DeadLetter[]> {
    const model = await connect(this.#url());
    try {
      const channel = await model.createChannel();
      const letters: DeadLetter[] = [];
      for (;;) {
        const message = await channel.get(DEAD_LETTERS);
        if (message === false) break;
        const { headers } = message.properties;
        letters.push({
          reason: String(headers?.[REASON_HEADER] ?? 'broker'),
          body: message.content.toString('latin1'),
        });
        channel.ack(message);
      }
      await channel.close();
      return letters;
    } finally {
      await model.close();
    }
  }

  async #live(): Promise<void> {
    const { signal } = this.#ending;
    while (!signal.aborted) {
      await this.#listen().catch(() => {}); // The broker is away, as it is meant to be.
      await wait(200, undefined, { signal }).catch(() => {}); // It is over.
    }
  }

  /** One connection's life. */
  async #listen(): Promise<void> {
    const model = await connect(this.#url(), { timeout: 4_000 });
    const closed = new Promise<void>((resolve) => model.on('close', () => resolve()));
    model.on('error', () => {}); // 'close' follows.
    this.#model = model;
    try {
      const channel = await model.createChannel();
      channel.on('error', () => {}); // 'close' follows.
      channel.on('close', () => void model.close().catch(() => {})); // It may be closing already.
      await channel.assertQueue(CHANGES, { arguments: { 'x-queue-type': 'quorum' } });
      await channel.bindQueue(CHANGES, CHANGES_EXCHANGE, '#');
      await channel.consume(CHANGES, (message) => {
        if (message === null) return;
        this.#hear(message.fields.routingKey, message.content.toString());
        channel.ack(message);
      });
      this.#channel = channel;
      await closed;
    } finally {
      this.#channel = undefined;
      await model.close().catch(() => {}); // It may have gone by itself.
    }
  }

  #hear(routingKey: string, body: string): void {
    if (routingKey === MARKER) this.#markers.add(body);
    else this.heard.push(changeOf(JSON.parse(body)));
  }
}

// biome-ignore lint/suspicious/noExplicitAny: a message as the contract has it.
function changeOf({ user_id, last_seen, at, ...rest }: any): StatusChange {
  return { ...rest, userId: user_id, lastSeen: Date.parse(last_seen), at: Date.parse(at) };
}
