import { readFileSync } from 'node:fs';
import type {
  ChangePublisher,
  DeadLetterPublisher,
  Duration,
  EventPublisher,
  EventSource,
  Ticker,
} from '@presence/domain';
import { type PublisherOptions, QueuePublisher } from '../publishing/queue-publisher.js';
import { BrokerConnection } from './broker-connection.js';
import { ConfirmedChannel } from './confirmed-channel.js';
import type { ConnectionMetrics } from './connection-metrics.js';
import { DeadLetters } from './dead-letters.js';
import { RabbitmqChangePublisher } from './rabbitmq-change-publisher.js';
import { RabbitmqDeadLetterPublisher } from './rabbitmq-dead-letter-publisher.js';
import { RabbitmqOutlet } from './rabbitmq-outlet.js';
import { RabbitmqSource, type SourceOptions } from './rabbitmq-source.js';
import { RabbitmqTicker } from './rabbitmq-ticker.js';
import { ensureTopology, type Topology } from './topology.js';

export interface RabbitmqOptions {
  /** The members of one cluster, tried in turn: `amqp://` or `amqps://user:password@host/vhost`. */
  readonly urls: readonly string[];
  /** A PEM file of the authorities that may vouch for the broker. */
  readonly caFile?: string;
  /** Default `declare`. */
  readonly topology?: Topology;
  /** Where workers take events from. Default `presence.writer`. */
  readonly queue?: string;
  /** Shown in the broker's list of connections. Default `presence`. */
  readonly name?: string;
  /** AMQP heartbeat in seconds. Default 5. */
  readonly heartbeat?: number;
  /** A message not confirmed for this long is sent again, on a new connection. Default 30 s. */
  readonly confirmTimeout?: Duration;
  readonly metrics?: ConnectionMetrics;
}

/** RabbitMQ, as one process uses it: one connection to publish, one to consume where it does. */
export class RabbitmqBroker {
  readonly #options: RabbitmqOptions;
  #publishing: BrokerConnection | undefined;
  #consuming: BrokerConnection | undefined;
  #channel: ConfirmedChannel | undefined;
  #started = false;

  constructor(options: RabbitmqOptions) {
    this.#options = options;
  }

  publisher(options: PublisherOptions = {}): EventPublisher {
    return new QueuePublisher(new RabbitmqOutlet(this.#publishingConnection()), options);
  }

  source(options: SourceOptions): EventSource {
    const deadLetters = new DeadLetters(this.#confirmedChannel());
    this.#consuming ??= this.#connection('consuming');
    return new RabbitmqSource(this.#consuming, deadLetters, {
      ...options,
      queue: this.#options.queue,
    });
  }

  changes(): ChangePublisher {
    return new RabbitmqChangePublisher(this.#confirmedChannel());
  }

  deadLetters(): DeadLetterPublisher {
    return new RabbitmqDeadLetterPublisher(this.#confirmedChannel());
  }

  ticker(): Ticker {
    return new RabbitmqTicker(this.#confirmedChannel());
  }

  /** Connects in the background, and again whenever a connection is lost. */
  start(): void {
    this.#started = true;
    this.#publishing?.start();
    this.#consuming?.start();
  }

  /** Whether every connection that was asked for is set up. */
  get connected(): boolean {
    const connections = [this.#publishing, this.#consuming].filter((c) => c !== undefined);
    return connections.every(({ ready }) => ready);
  }

  /** Whether an alarm keeps it from taking anything. */
  get blocked(): boolean {
    return this.#publishing?.blocked ?? false;
  }

  /** After its publishers and sources: those need the connections to let go. */
  async close(): Promise<void> {
    await Promise.all([this.#consuming?.close(), this.#publishing?.close()]);
  }

  #publishingConnection(): BrokerConnection {
    this.#publishing ??= this.#connection('publishing');
    return this.#publishing;
  }

  /** For dead letters, answers and changes. */
  #confirmedChannel(): ConfirmedChannel {
    this.#channel ??= new ConfirmedChannel(this.#publishingConnection());
    return this.#channel;
  }

  #connection(use: string): BrokerConnection {
    const { topology = 'declare', name = 'presence', caFile, queue, ...options } = this.#options;
    const connection = new BrokerConnection({
      ...options,
      name: `${name} (${use})`,
      ...(caFile !== undefined && { ca: readFileSync(caFile, 'utf8') }),
    });
    connection.join({
      up: (model) => ensureTopology(model, topology, queue),
      down: () => {},
    });
    if (this.#started) connection.start();
    return connection;
  }
}
