import { setTimeout as delay } from 'node:timers/promises';
import type { Delivery, DeliveryHandler, Duration, EventSource, Millis } from '@presence/domain';
import type { Channel, ChannelModel, ConsumeMessage } from 'amqplib';
import { decode, type Receipt } from '../wire/decode.js';
import { PREFETCH, PROGRESS_HEADER, WRITER_QUEUE } from '../wire/names.js';
import { allRefusals, replyTo, type Settled } from '../wire/reply.js';
import { Acknowledgements } from './acknowledgements.js';
import type { BrokerConnection, Participant } from './broker-connection.js';
import type { DeadLetters } from './dead-letters.js';
import type { SourceMetrics } from './source-metrics.js';

export interface SourceOptions {
  /** How far ahead of the latest clock an event may be. */
  readonly maxClockSkew: Duration;
  /** How many messages may be handed over and not settled. Default {@link PREFETCH}. */
  readonly prefetch?: number;
  /** Default `presence.writer`. */
  readonly queue?: string | undefined;
  readonly clock?: () => Receipt;
  readonly metrics?: SourceMetrics;
}

/** How long the end of a consumer, or of its channel, waits for the broker's word. */
const ANSWER_TIMEOUT: Duration = 500;

/** One consumer on one channel. */
interface Intake {
  readonly channel: Channel;
  readonly acknowledgements: Acknowledgements;
  consumerTag: string | undefined;
}

/**
 * Consumes on a connection of its own: under a memory or disk alarm the broker no longer reads
 * from connections that publish, acknowledgements included.
 */
export class RabbitmqSource implements EventSource, Participant {
  readonly #connection: BrokerConnection;
  readonly #deadLetters: DeadLetters;
  readonly #options: SourceOptions;
  readonly #clock: () => Receipt;
  #handler: DeliveryHandler | undefined;
  #intake: Intake | undefined;
  #settled: (() => void) | undefined;

  constructor(connection: BrokerConnection, deadLetters: DeadLetters, options: SourceOptions) {
    this.#connection = connection;
    this.#deadLetters = deadLetters;
    this.#options = options;
    this.#clock = options.clock ?? (() => ({ receivedAt: Date.now() }));
    connection.join(this);
  }

  get connected(): boolean {
    return this.#intake !== undefined;
  }

  /** Resolves at once where the queue is away: consuming begins when it comes back. */
  async start(handler: DeliveryHandler): Promise<void> {
    this.#handler = handler;
    const intake = this.#intake;
    if (intake) await this.#consume(intake).catch((error: Error) => this.#connection.renew(error));
  }

  async pause(): Promise<void> {
    this.#handler = undefined;
    const intake = this.#intake;
    const consumerTag = intake?.consumerTag;
    // One that is still being begun is ended once it has.
    if (!intake || !consumerTag) return;
    intake.consumerTag = undefined;
    await answered(intake.channel.cancel(consumerTag));
  }

  async close(timeout: Duration): Promise<void> {
    await this.pause();
    const intake = this.#intake;
    if (!intake) return;
    intake.acknowledgements.handBackDelayed();
    await this.#allSettled(intake, timeout);
    this.#intake = undefined;
    intake.acknowledgements.flush();
    intake.acknowledgements.close();
    await answered(intake.channel.close());
  }

  async up(model: ChannelModel): Promise<void> {
    const channel = await model.createChannel();
    const acknowledgements = new Acknowledgements(channel);
    const intake: Intake = { channel, acknowledgements, consumerTag: undefined };
    const renew = (reason: Error) => {
      if (this.#intake === intake) this.#connection.renew(reason);
    };
    // The broker says why in 'error'; 'close' may come without one.
    channel.on('error', renew);
    channel.on('close', () => renew(new Error('A channel was closed.')));
    await channel.prefetch(this.#options.prefetch ?? PREFETCH);
    this.#intake = intake;
    await this.#consume(intake);
  }

  down(): void {
    this.#intake?.acknowledgements.close();
    this.#intake = undefined;
    this.#settled?.();
  }

  async #consume(intake: Intake): Promise<void> {
    if (!this.#handler || intake.consumerTag !== undefined) return;
    intake.consumerTag = '';
    const { queue = WRITER_QUEUE } = this.#options;
    const { consumerTag } = await intake.channel.consume(queue, (message) => {
      if (message) this.#take(intake, message);
      // The broker ends a consumer whose queue is deleted; a new connection declares it again.
      else this.#connection.renew(new Error(`The queue ${queue} was deleted.`));
    });
    intake.consumerTag = consumerTag;
    if (!this.#handler) await this.pause();
  }

  #take(intake: Intake, message: ConsumeMessage): void {
    const { acknowledgements } = intake;
    const { deliveryTag } = message.fields;
    acknowledgements.delivered(deliveryTag);
    const handler = this.#handler;
    if (!handler) acknowledgements.requeue(deliveryTag, 0);
    else void this.#handle(handler, acknowledgements, message);
  }

  async #handle(
    handler: DeliveryHandler,
    acknowledgements: Acknowledgements,
    message: ConsumeMessage,
  ): Promise<void> {
    const receipt = this.#clock();
    const delivery = this.#decode(message, receipt);
    this.#options.metrics?.delivered?.(delivery.events.length, message.content.length);
    const verdict = await handler(delivery);
    const tag = message.fields.deliveryTag;
    const isSettled =
      verdict.kind === 'settled' &&
      (await this.#conclude(acknowledgements, message, receipt, delivery, verdict));
    if (isSettled) acknowledgements.settle(tag);
    else if (!acknowledgements.closed) this.#requeue(acknowledgements, tag);
    this.#settled?.();
  }

  #decode({ fields, properties, content }: ConsumeMessage, receipt: Receipt): Delivery {
    const { headers, replyTo: awaiting } = properties;
    return decode(
      {
        routingKey: fields.routingKey,
        body: content,
        timestamp: timestampOf(properties),
        ...receipt,
        progress: headers?.[PROGRESS_HEADER],
        awaited: awaiting !== undefined,
      },
      this.#options,
    );
  }

  #requeue(acknowledgements: Acknowledgements, tag: number): void {
    this.#options.metrics?.requeued?.();
    // Nobody here takes it any more: let another have it at once.
    if (this.#handler) acknowledgements.requeue(tag);
    else acknowledgements.requeue(tag, 0);
  }

  /**
   * Dead letters first, confirmed; then the reply; the acknowledgement is the caller's.
   * @returns false where the channel was lost meanwhile, or the broker takes no dead letter: all
   * of this happens again.
   */
  async #conclude(
    acknowledgements: Acknowledgements,
    { properties }: ConsumeMessage,
    { receivedAt }: Receipt,
    delivery: Delivery,
    verdict: Settled,
  ): Promise<boolean> {
    const refusals = allRefusals(delivery, verdict);
    const occurredAt = timestampOf(properties) ?? receivedAt;
    const abandoned = () => acknowledgements.closed;
    const buried = await this.#deadLetters.publish(refusals, occurredAt, abandoned);
    for (const { reason } of refusals.slice(0, buried)) this.#options.metrics?.refused?.(reason);
    if (buried < refusals.length) return false;
    const reply = properties.replyTo === undefined ? undefined : replyTo(verdict, refusals);
    if (reply) this.#deadLetters.reply(properties.replyTo, properties.correlationId, reply);
    return true;
  }

  /** Resolves once every delivery is settled or has its verdict, or `timeout` is over. */
  async #allSettled({ acknowledgements }: Intake, timeout: Duration): Promise<void> {
    await new Promise<void>((resolve) => {
      const deadline = setTimeout(resolve, timeout);
      this.#settled = () => {
        acknowledgements.flush();
        if (acknowledgements.open > 0 && !acknowledgements.closed) return;
        clearTimeout(deadline);
        resolve();
      };
      this.#settled();
    });
    this.#settled = undefined;
  }
}

/** When a message says that it was sent, if it does; AMQP counts in seconds. */
function timestampOf({ timestamp }: ConsumeMessage['properties']): Millis | undefined {
  return typeof timestamp === 'number' ? timestamp * 1_000 : undefined;
}

/** Resolves with the broker's answer, or without: a connection that is lost meanwhile leaves none. */
async function answered(asked: Promise<unknown>): Promise<void> {
  const late = delay(ANSWER_TIMEOUT, undefined, { ref: false });
  await Promise.race([asked, late]).catch(() => {}); // Lost, it has stopped delivering anyway.
}
