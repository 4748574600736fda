import { randomUUID } from 'node:crypto';
import { type Duration, type Millis, Unavailable } from '@presence/domain';
import type { Channel, ChannelModel, ConsumeMessage, Message } from 'amqplib';
import { DEAD_LETTERS, EVENTS_EXCHANGE, OCCURRED_HEADER, REASON_HEADER } from '../wire/names.js';
import { parseTime } from '../wire/time-text.js';
import { BrokerConnection, type ConnectionOptions, type Participant } from './broker-connection.js';
import { ConfirmedChannel } from './confirmed-channel.js';
import { properties } from './message-properties.js';

/**
 * How many letters are held at once, at most. Every look takes this same window, however few of
 * them are wanted. See {@link DeadLetterQueue}.
 */
export const DEAD_LETTER_WINDOW = 10_000;

/** Fewer letters have come than the queue counted: others have expired, or somebody took them. */
const SILENCE: Duration = 2_000;

/** Longer than anything that is awaited meanwhile. */
const CLOSE_TIMEOUT: Duration = 30_000;

const NOT_FOUND = 404;

/** There is no queue of dead letters. Start a worker, which declares it, or look elsewhere. */
export class NoDeadLetterQueue extends Error {
  override readonly name = 'NoDeadLetterQueue';
}

export interface DeadLetter {
  /** Its place in the queue: the oldest is 1. */
  readonly number: number;
  /** What the worker, or the broker itself (`broker:expired`), had against it. */
  readonly reason: string;
  /** To the second; `undefined` where the message does not say. */
  readonly refusedAt: Millis | undefined;
  /** When its events happened that do not say so themselves. */
  readonly occurredAt: Millis | undefined;
  /**
   * Under which it was published where the broker itself has refused it; empty where a worker has,
   * which had judged the key before.
   */
  readonly routingKey: string;
  readonly body: Buffer;
  /** How often it was handed out before: every look counts as a delivery. */
  readonly looks: number;
}

/** A message on the exchange of events. */
export interface ReplayedMessage {
  readonly routingKey: string;
  readonly body: Buffer;
}

/**
 * The queue of refused messages, for whoever looks after them. Letters are held while they are
 * looked at, and handed back, in their order, when the connection ends, however it ends.
 *
 * The order is why they are consumed by one consumer, and why its window is always the same. A
 * quorum queue that hands back what a closed channel held sorts it by consumer, then delivery:
 * with basic.get every message has a consumer of its own, and more than 32 of them come back
 * shuffled; basic.nack sends to the tail, or, with a delivery limit, shuffles too (RabbitMQ 3.10,
 * 3,000 held letters). Whatever comes back queues up behind what was handed back earlier, so no
 * look may take fewer than one before it did.
 */
export class DeadLetterQueue implements Participant {
  readonly #connection: BrokerConnection;
  readonly #events: ConfirmedChannel;
  readonly #arrived: ConsumeMessage[] = [];
  #wake = () => {};
  #channel: Channel | undefined;
  #consumerTag: string | undefined;
  #handedOut = 0;
  #settled = 0;

  private constructor(connection: BrokerConnection) {
    this.#connection = connection;
    this.#events = new ConfirmedChannel(connection);
    connection.join(this);
  }

  /**
   * Tries every member of the cluster once. What is open is not opened again when it is lost.
   * @throws NoDeadLetterQueue, or whatever the last member had against it
   */
  static open(options: Omit<ConnectionOptions, 'metrics'>): Promise<DeadLetterQueue> {
    return new Promise((resolve, reject) => {
      let attemptsLeft = options.urls.length;
      const connection = new BrokerConnection({
        ...options,
        metrics: {
          ready: () => {
            attemptsLeft = 0;
            resolve(queue);
          },
          lost: (_, error) => {
            if (--attemptsLeft > 0) return;
            reject(error);
            void connection.close();
          },
        },
      });
      const queue = new DeadLetterQueue(connection);
      connection.start();
    });
  }

  async up(model: ChannelModel): Promise<void> {
    const channel = await model.createChannel();
    channel.on('error', () => {}); // 'close' follows, and is what counts.
    await channel.checkQueue(DEAD_LETTERS).catch((error: Error & { code?: unknown }) => {
      throw error.code === NOT_FOUND ? missing(error) : error;
    });
    channel.on('close', () => this.#connection.renew(new Error('The channel was closed.')));
    this.#channel = channel;
  }

  down(): void {
    this.#channel = undefined;
    this.#wake();
  }

  /** How many letters nobody holds. @throws Unavailable */
  async waiting(): Promise<number> {
    return (await this.#open().checkQueue(DEAD_LETTERS)).messageCount;
  }

  /**
   * The letters that are there now, oldest first; to be called once. Each is held until it is
   * discarded or replayed; with a whole window of others held, no more come.
   * @throws Unavailable
   */
  async *letters(): AsyncGenerator<DeadLetter, void, void> {
    const total = await this.waiting();
    const window = Math.min(total, DEAD_LETTER_WINDOW);
    if (window === 0) return;
    await this.#consume(window);
    while (this.#handedOut < total && this.#handedOut - this.#settled < window) {
      const message = await this.#next();
      if (message === undefined) return;
      yield letterOf(message, ++this.#handedOut);
    }
  }

  /**
   * Publishes what is to be taken in again, and lets go of the letter once the broker has all of
   * it: killed in between, it is both published and still here.
   * @throws Unavailable
   */
  async replay(letter: DeadLetter, messages: readonly ReplayedMessage[]): Promise<void> {
    await Promise.all(
      messages.map((message) =>
        this.#events.publishNow({
          ...message,
          exchange: EVENTS_EXCHANGE,
          options: { ...properties({ messageId: randomUUID() }), ...dated(letter) },
        }),
      ),
    );
    this.discard(letter);
  }

  /** Takes the letter out of the queue for good. @throws Unavailable */
  discard({ number }: DeadLetter): void {
    // Tags count the deliveries of a channel, and this one delivers nothing else.
    this.#open().ack({ fields: { deliveryTag: number } } as Message);
    this.#settled++;
  }

  /** Empties the queue, of what nobody holds. @returns how many letters that were */
  async purge(): Promise<number> {
    return (await this.#open().purgeQueue(DEAD_LETTERS)).messageCount;
  }

  /** Hands back what is held. */
  async close(): Promise<void> {
    const channel = this.#channel;
    this.#channel = undefined;
    // The connection's own timers let a process end, which would then not say how it went.
    const alive = setTimeout(() => {}, CLOSE_TIMEOUT);
    if (channel) await this.#end(channel).catch(() => {}); // Lost meanwhile: all is handed back.
    await this.#connection.close();
    clearTimeout(alive);
  }

  /**
   * A channel process of the broker passes no more than 32 acknowledgements on to the queue at
   * once, and drops those still to come when the channel ends. To cancel goes through the queue's
   * log: once it is confirmed, so are those before it, and the rest has been passed on.
   */
  async #end(channel: Channel): Promise<void> {
    if (this.#consumerTag !== undefined) await channel.cancel(this.#consumerTag);
    await channel.close();
  }

  async #consume(window: number): Promise<void> {
    const channel = this.#open();
    await channel.prefetch(window);
    const { consumerTag } = await channel.consume(DEAD_LETTERS, (message) => {
      if (message) this.#arrived.push(message);
      else this.#connection.renew(new Error(`The queue ${DEAD_LETTERS} was deleted.`));
      this.#wake();
    });
    this.#consumerTag = consumerTag;
  }

  async #next(): Promise<ConsumeMessage | undefined> {
    if (this.#arrived.length === 0) await this.#arrival();
    this.#open();
    return this.#arrived.shift();
  }

  #arrival(): Promise<void> {
    return new Promise((resolve) => {
      const timer = setTimeout(resolve, SILENCE);
      this.#wake = () => {
        clearTimeout(timer);
        resolve();
      };
    });
  }

  #open(): Channel {
    if (!this.#channel) throw new Unavailable('broker');
    return this.#channel;
  }
}

function letterOf({ fields, properties, content }: ConsumeMessage, number: number): DeadLetter {
  const { headers = {}, timestamp } = properties;
  const dated = typeof timestamp === 'number' ? timestamp * 1_000 : undefined;
  const died = headers['x-first-death-reason'];
  const verdict =
    died === undefined
      ? {
          reason: String(headers[REASON_HEADER] ?? 'unknown'),
          refusedAt: dated,
          occurredAt: parseTime(String(headers[OCCURRED_HEADER])) ?? dated,
          routingKey: '',
        }
      : {
          // By the broker, with whatever headers its sender chose: none of ours is believed.
          reason: `broker:${died}`,
          refusedAt: diedAt(headers) ?? dated,
          occurredAt: dated ?? diedAt(headers),
          routingKey: fields.routingKey,
        };
  return {
    number,
    ...verdict,
    body: content,
    looks: Number(headers['x-delivery-count'] ?? 0),
  };
}

/** When the broker dead-lettered it last, to the second. */
function diedAt(headers: Readonly<Record<string, unknown>>): Millis | undefined {
  const [death] = Array.isArray(headers['x-death']) ? headers['x-death'] : [];
  const seconds: unknown = death?.time?.value;
  return typeof seconds === 'number' ? seconds * 1_000 : undefined;
}

/** An event that bears no time of its own did not happen when it is replayed. */
function dated({ occurredAt }: DeadLetter): { timestamp?: number } {
  return occurredAt === undefined ? {} : { timestamp: Math.floor(occurredAt / 1_000) };
}

function missing(cause: Error): NoDeadLetterQueue {
  return new NoDeadLetterQueue(
    `There is no queue ${DEAD_LETTERS} in this virtual host. Does AMQP_URL name the right one? ` +
      'A worker declares the queue when it starts.',
    { cause },
  );
}
