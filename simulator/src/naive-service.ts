import { setTimeout as wait } from 'node:timers/promises';
import { decode, EVENTS_EXCHANGE } from '@presence/adapters/wire';
import type { ReportedEvent } from '@presence/domain';
import { type ChannelModel, type ConsumeMessage, connect } from 'amqplib';
import { MAX_CLOCK_SKEW } from './scenario.js';

const QUEUE = 'naive.writer';
const RECONNECT_EVERY = 250;

/**
 * The way of events in what is usually built: a durable queue of its own gets the very messages
 * that the real service gets, and its worker takes them as they come.
 */
export class NaiveService {
  readonly #url: string;
  readonly #take: (event: ReportedEvent) => void;
  readonly #over: AbortSignal;
  #model: ChannelModel | undefined;
  #isUp = true;

  constructor(url: string, take: (event: ReportedEvent) => void, over: AbortSignal) {
    this.#url = url;
    this.#take = take;
    this.#over = over;
  }

  /** Resolves once it hears; it then does so until the run is over. */
  async start(): Promise<{ ended: Promise<void> }> {
    await this.#listen();
    return { ended: this.#live() };
  }

  /** Its worker is away, or cannot write. */
  async pause(): Promise<void> {
    this.#isUp = false;
    await this.#hangUp();
  }

  resume(): void {
    this.#isUp = true;
  }

  async #live(): Promise<void> {
    while (!this.#over.aborted) {
      await wait(RECONNECT_EVERY);
      if (this.#isUp && !this.#model) await this.#listen().catch(() => {}); // The broker is away.
    }
    await this.#hangUp();
  }

  async #hangUp(): Promise<void> {
    await this.#model?.close().catch(() => {}); // It may have gone with the broker.
  }

  async #listen(): Promise<void> {
    const model = await connect(this.#url);
    model.on('error', () => {}); // 'close' follows.
    model.on('close', () => {
      this.#model = undefined;
    });
    this.#model = model;
    const channel = await model.createChannel();
    await channel.assertQueue(QUEUE, { arguments: { 'x-queue-type': 'quorum' } });
    await channel.bindQueue(QUEUE, EVENTS_EXCHANGE, 'presence.#');
    await channel.consume(QUEUE, (message) => {
      if (!message) return;
      this.#hear(message);
      channel.ack(message);
    });
  }

  #hear({ content: body, fields: { routingKey } }: ConsumeMessage): void {
    const message = { routingKey, body, receivedAt: Date.now() };
    for (const event of decode(message, { maxClockSkew: MAX_CLOCK_SKEW }).events) this.#take(event);
  }
}
