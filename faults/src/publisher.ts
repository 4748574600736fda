import { randomUUID } from 'node:crypto';
import { BATCH_KEY, EVENTS_EXCHANGE, eventKey } from '@presence/adapters/wire';
import { type EventType, NO_SESSION, type RefusalReason, type Status } from '@presence/domain';
import { publishRaw } from '@presence/test-services';
import { type ChannelModel, type ConfirmChannel, connect } from 'amqplib';
import type { Ledger } from './ledger.js';

/** An event of another service. */
export interface ForeignEvent {
  readonly type: EventType;
  readonly userId: number;
  readonly occurredAt: number;
  readonly status: Status;
  readonly sessionId?: string;
}

/** Another service that publishes events, and writes down what the broker confirms. */
export class Publisher {
  readonly #url: string;
  readonly #ledger: Ledger;
  readonly #model: ChannelModel;
  readonly #channel: ConfirmChannel;
  readonly #returned = new Set<string>();

  private constructor(url: string, ledger: Ledger, model: ChannelModel, channel: ConfirmChannel) {
    this.#url = url;
    this.#ledger = ledger;
    this.#model = model;
    this.#channel = channel;
    for (const emitter of [model, channel]) emitter.on('error', () => {}); // Each publish is told.
    channel.on('return', ({ properties }) => this.#returned.add(properties.messageId));
  }

  static async open(url: string, ledger: Ledger): Promise<Publisher> {
    const model = await connect(url);
    return new Publisher(url, ledger, model, await model.createConfirmChannel());
  }

  /** @returns whether the broker has confirmed that a queue holds it */
  publish(event: ForeignEvent): Promise<boolean> {
    const body = Buffer.from(JSON.stringify(wireForm(event)));
    return this.carry([event], eventKey(event.type), body);
  }

  /** Activity and heartbeats, in one message. @returns whether the broker has confirmed it */
  publishBatch(events: readonly ForeignEvent[]): Promise<boolean> {
    return this.carry(events, BATCH_KEY, Buffer.from(JSON.stringify(events.map(wireForm))));
  }

  /** A message that somebody else has made of these events. */
  async carry(events: readonly ForeignEvent[], routingKey: string, body: Buffer): Promise<boolean> {
    const sentAt = Date.now();
    const held = await this.#send(routingKey, body);
    for (const event of events) this.#write(event, held, sentAt);
    return held;
  }

  /** What must be refused: a dead letter with this reason, and nothing else, comes of it. */
  async publishRefused(routingKey: string, body: Buffer, reason: RefusalReason): Promise<void> {
    if (!(await this.#send(routingKey, body))) return;
    this.#ledger.expectLetter({ reason, body: body.toString('latin1') });
  }

  /** Any body; the caller knows what is in it. @returns whether the broker has confirmed it */
  send(routingKey: string, body: Buffer): Promise<boolean> {
    return this.#send(routingKey, body);
  }

  /** A heartbeat of somebody whose client writes such headers. */
  async publishWithHeaders(event: ForeignEvent, headers: Buffer): Promise<void> {
    const body = Buffer.from(JSON.stringify(wireForm(event)));
    const sentAt = Date.now();
    const routingKey = eventKey(event.type);
    await publishRaw(this.#url, { exchange: EVENTS_EXCHANGE, routingKey, body, headers });
    this.#write(event, true, sentAt);
  }

  async close(): Promise<void> {
    await this.#model.close().catch(() => {}); // It may have gone with the broker.
  }

  #write(event: ForeignEvent, held: boolean, sentAt: number): void {
    const { userId, type, status, sessionId = NO_SESSION, occurredAt } = event;
    this.#ledger.write({
      ...{ userId, type, status, sessionId, earliest: occurredAt, latest: occurredAt },
      ...{ source: 'broker', code: 0, fate: held ? 'certain' : 'uncertain' },
      ...{ sentAt, answeredAt: Date.now() },
    });
  }

  #send(routingKey: string, body: Buffer): Promise<boolean> {
    const messageId = randomUUID();
    const options = {
      messageId,
      persistent: true,
      mandatory: true,
      contentType: 'application/json',
    };
    return new Promise((resolve) => {
      try {
        this.#channel.publish(EVENTS_EXCHANGE, routingKey, body, options, (error) =>
          resolve(!error && !this.#returned.delete(messageId)),
        );
      } catch {
        resolve(false); // The channel has gone with the broker.
      }
    });
  }
}

export function wireForm({ type, userId, occurredAt, status, sessionId }: ForeignEvent): object {
  return {
    type,
    user_id: userId,
    occurred_at: new Date(occurredAt).toISOString(),
    ...(type === 'heartbeat' || type === 'status_set' ? { status } : {}),
    ...(sessionId === undefined ? {} : { session_id: sessionId }),
  };
}
