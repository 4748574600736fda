import { type Duration, Unavailable } from '@presence/domain';
import type { ChannelModel, ConfirmChannel, ConsumeMessage, Options } from 'amqplib';
import { QueueGone } from '../publishing/outlet.js';
import type { BrokerConnection, Participant } from './broker-connection.js';

/** The broker does not hold this message, or nobody knows. Sending it again is safe. */
export class NotConfirmed extends Error {
  override readonly name = 'NotConfirmed';
}

export interface Outgoing {
  readonly exchange: string;
  readonly routingKey: string;
  readonly body: Buffer;
  readonly options: Options.Publish;
  /** Whether nobody need be listening; else a message that no queue takes counts as not sent. */
  readonly unheard?: boolean;
}

/** For those who cannot wait: after this long they are told that nobody knows. */
const PATIENCE: Duration = 10_000;
/**
 * A channel that RabbitMQ 3.10 opens after the leader of a quorum queue has died, and before the
 * next one is known, asks the dead one for good, and refuses everything: only another one helps.
 */
const REFUSED_FOR: Duration = 1_000;
const REPLY_QUEUE = 'amq.rabbitmq.reply-to';

/**
 * A channel whose every message is followed to its confirmation. It also takes direct replies,
 * which the broker sends only to the channel that asked.
 */
export class ConfirmedChannel implements Participant {
  readonly #connection: BrokerConnection;
  readonly #onReply: ((message: ConsumeMessage) => void) | undefined;
  readonly #listeners: (() => void)[] = [];
  readonly #returned = new Set<string>();
  /** Each with when it was sent, oldest first. */
  readonly #unconfirmed = new Map<number, number>();
  #published = 0;
  #overdueTimer: NodeJS.Timeout | undefined;
  #unblockedAt = 0;
  /** Since when the broker has refused whatever it got on this channel. */
  #refusedSince: number | undefined;
  #channel: ConfirmChannel | undefined;
  #blocked = false;
  #full = false;

  constructor(connection: BrokerConnection, onReply?: (message: ConsumeMessage) => void) {
    this.#connection = connection;
    this.#onReply = onReply;
    connection.join(this);
  }

  get connected(): boolean {
    return this.#channel !== undefined && this.#connection.ready && !this.#blocked;
  }

  /** Whether a message would go out at once. */
  get ready(): boolean {
    return this.connected && !this.#full;
  }

  onReady(listener: () => void): void {
    this.#listeners.push(listener);
  }

  async up(model: ChannelModel): Promise<void> {
    const channel = await model.createConfirmChannel();
    channel.on('error', (error: Error) => this.#renewFrom(channel, error));
    channel.on('return', ({ properties }) => this.#noteReturned(String(properties.messageId)));
    channel.on('drain', () => this.#setFull(false));
    channel.on('close', () => this.#renewFrom(channel, new Error('A channel was closed.')));
    const onReply = this.#onReply;
    if (onReply) {
      await channel.consume(REPLY_QUEUE, (message) => message && onReply(message), { noAck: true });
    }
    this.#channel = channel;
    this.#blocked = false;
    this.#full = false;
    this.#refusedSince = undefined;
  }

  live(): void {
    this.#tellReady();
  }

  down(): void {
    this.#channel = undefined;
    this.#unconfirmed.clear();
    this.#unwatch();
    this.#returned.clear();
  }

  blocked(blocked: boolean): void {
    this.#blocked = blocked;
    if (!blocked) this.#unblockedAt = performance.now();
    this.#tellReady();
  }

  /**
   * Resolves once the broker holds the message in a queue. Where it says neither yes nor no, the
   * connection is renewed after its `confirmTimeout`, and whoever waits told.
   * @throws NotConfirmed, QueueGone
   */
  publish(outgoing: Outgoing): Promise<void> {
    return this.publishAll([outgoing]);
  }

  /** The same for many, once the broker holds them all: a promise for each would cost as much again. */
  publishAll(outgoing: readonly Outgoing[]): Promise<void> {
    return new Promise((resolve, reject) => {
      let left = outgoing.length;
      const concluded = (error?: Error) => {
        if (error) reject(error);
        else if (--left === 0) resolve();
      };
      for (const one of outgoing) this.#handOver(one, concluded);
    });
  }

  /** For those who cannot wait until the broker is back. @throws Unavailable */
  publishNow(outgoing: Outgoing): Promise<void> {
    return this.publishAllNow([outgoing]);
  }

  async publishAllNow(outgoing: readonly Outgoing[]): Promise<void> {
    if (!this.connected) throw new Unavailable('broker');
    const published = this.publishAll(outgoing).catch((cause: unknown) => {
      throw new Unavailable('broker', undefined, { cause });
    });
    let timer: NodeJS.Timeout | undefined;
    const tooLate = new Promise<never>((_, reject) => {
      timer = setTimeout(() => reject(new Unavailable('broker')), PATIENCE);
    });
    await Promise.race([published, tooLate]).finally(() => clearTimeout(timer));
  }

  /** Hands a message over without asking what becomes of it. */
  send({ exchange, routingKey, body, options }: Outgoing): void {
    if (this.ready) this.#full = !this.#channel!.publish(exchange, routingKey, body, options);
  }

  #handOver(
    { exchange, routingKey, body, options, unheard }: Outgoing,
    concluded: (error?: Error) => void,
  ): void {
    const channel = this.#channel;
    if (!channel) throw new NotConfirmed('There is no connection.');
    const properties = unheard ? options : { ...options, mandatory: true };
    const number = ++this.#published;
    this.#unconfirmed.set(number, performance.now());
    this.#watch();
    this.#full = !channel.publish(exchange, routingKey, body, properties, (error) => {
      this.#unconfirmed.delete(number);
      if (this.#unconfirmed.size === 0) this.#unwatch();
      const returned = this.#returned.delete(String(options.messageId));
      this.#noteVerdict(channel, error === null);
      if (error) concluded(new NotConfirmed('The broker did not confirm.', { cause: error }));
      else if (returned) this.#tellGone(concluded);
      else concluded();
    });
  }

  /** A new connection declares the queue again, or says what is missing. */
  #tellGone(concluded: (error: Error) => void): void {
    const reason = new QueueGone('No queue takes this message.');
    concluded(reason);
    // Not before whoever published this has been told why.
    setImmediate(() => this.#connection.renew(reason));
  }

  /** The broker says why in 'error'; 'close' may come without one. */
  #renewFrom(channel: ConfirmChannel, reason: Error): void {
    if (this.#channel === channel) this.#connection.renew(reason);
  }

  #noteVerdict(channel: ConfirmChannel, taken: boolean): void {
    if (taken) this.#refusedSince = undefined;
    else this.#refusedSince ??= performance.now();
    if (taken || performance.now() - this.#refusedSince! < REFUSED_FOR) return;
    const reason = new Error(`The broker has refused every message for ${REFUSED_FOR} ms.`);
    setImmediate(() => this.#renewFrom(channel, reason)); // First, everybody is told.
  }

  #noteReturned(messageId: string): void {
    this.#returned.add(messageId);
  }

  /** One look at the oldest now and then, instead of a timer for each. */
  #watch(): void {
    this.#overdueTimer ??= setTimeout(() => {
      this.#unwatch();
      this.#watch();
      this.#renewIfOverdue();
    }, this.#connection.confirmTimeout / 10);
  }

  #unwatch(): void {
    clearTimeout(this.#overdueTimer);
    this.#overdueTimer = undefined;
  }

  /** Under an alarm the broker reads nothing, so it confirms nothing: a new connection is no help. */
  #renewIfOverdue(): void {
    const [sentAt] = this.#unconfirmed.values();
    if (this.#blocked || sentAt === undefined) return;
    const { confirmTimeout } = this.#connection;
    if (performance.now() - Math.max(sentAt, this.#unblockedAt) < confirmTimeout) return;
    this.#connection.renew(new Error(`A message was not confirmed for ${confirmTimeout} ms.`));
  }

  #setFull(full: boolean): void {
    this.#full = full;
    this.#tellReady();
  }

  #tellReady(): void {
    if (!this.ready) return;
    for (const listener of this.#listeners) listener();
  }
}
