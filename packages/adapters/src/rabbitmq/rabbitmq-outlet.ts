import { randomUUID } from 'node:crypto';
import { type Duration, type PresenceEvent, type Submission, Unavailable } from '@presence/domain';
import type { ConsumeMessage } from 'amqplib';
import type { Batch } from '../publishing/batch-log.js';
import type { Outlet } from '../publishing/outlet.js';
import { encodeEvent } from '../wire/encode.js';
import { BATCH_KEY, EVENTS_EXCHANGE, eventKey, PROGRESS_HEADER } from '../wire/names.js';
import { encodeProgress } from '../wire/progress-header.js';
import { decodeReply } from '../wire/reply.js';
import type { BrokerConnection } from './broker-connection.js';
import { ConfirmedChannel } from './confirmed-channel.js';
import { properties } from './message-properties.js';

const REPLY_TO = 'amq.rabbitmq.reply-to';

/** What a submitter is waiting for. */
interface Awaited {
  readonly settle: (submission: Submission) => void;
  readonly fail: (error: Error) => void;
  confirmed: boolean;
}

export class RabbitmqOutlet implements Outlet {
  readonly #channel: ConfirmedChannel;
  readonly #awaited = new Map<string, Awaited>();

  constructor(connection: BrokerConnection) {
    this.#channel = new ConfirmedChannel(connection, (message) => this.#reply(message));
    connection.join({ up: () => Promise.resolve(), down: () => this.#giveUp() });
  }

  get connected(): boolean {
    return this.#channel.connected;
  }

  get ready(): boolean {
    return this.#channel.ready;
  }

  onReady(listener: () => void): void {
    this.#channel.onReady(listener);
  }

  sendBatch({ messageId, body, progress }: Batch): Promise<void> {
    const headers = { [PROGRESS_HEADER]: encodeProgress(progress) };
    const options = properties({ messageId, headers });
    return this.#channel.publish({
      exchange: EVENTS_EXCHANGE,
      routingKey: BATCH_KEY,
      body,
      options,
    });
  }

  async submit(event: PresenceEvent, timeout: Duration): Promise<Submission> {
    if (!this.#channel.connected) throw new Unavailable('broker');
    const correlationId = randomUUID();
    const outcome = new Promise<Submission>((settle, fail) => {
      this.#awaited.set(correlationId, { settle, fail, confirmed: false });
    });
    const timer = setTimeout(() => this.#conclude(correlationId), timeout);
    this.#publish(event, correlationId);
    try {
      return await outcome;
    } finally {
      clearTimeout(timer);
      this.#awaited.delete(correlationId);
    }
  }

  #publish(event: PresenceEvent, correlationId: string): void {
    const messageId = correlationId;
    this.#channel
      .publish({
        exchange: EVENTS_EXCHANGE,
        routingKey: eventKey(event.type),
        body: Buffer.from(encodeEvent(event)),
        options: properties({ messageId, correlationId, replyTo: REPLY_TO }),
      })
      .then(
        () => this.#noteConfirmed(correlationId),
        (cause: unknown) => {
          this.#awaited.get(correlationId)?.fail(new Unavailable('broker', undefined, { cause }));
        },
      );
  }

  #noteConfirmed(correlationId: string): void {
    const awaited = this.#awaited.get(correlationId);
    if (!awaited) return;
    awaited.confirmed = true;
    // The reply goes to the channel that asked; with it gone, none will come.
    if (!this.#channel.connected) this.#conclude(correlationId);
  }

  #reply({ properties: { correlationId }, content }: ConsumeMessage): void {
    const awaited = this.#awaited.get(String(correlationId));
    try {
      awaited?.settle(decodeReply(content));
    } catch {
      // Not a reply of ours: whoever waits is told `pending` in time.
    }
  }

  /** No reply has come, or will: what the broker has confirmed is on its way. */
  #conclude(correlationId: string): void {
    const awaited = this.#awaited.get(correlationId);
    if (awaited?.confirmed) awaited.settle({ outcome: 'pending' });
    else awaited?.fail(new Unavailable('broker'));
  }

  #giveUp(): void {
    for (const correlationId of this.#awaited.keys()) this.#conclude(correlationId);
  }
}
