import { PREFETCH, WRITER_QUEUE } from '../wire/names.js';
import { settingsGroup } from './settings-group.js';
import { choice, integer, readableFile, text, urls } from './validators.js';
import { orFile } from './value-file.js';

export interface BrokerSettings {
  /** The members of one cluster; any of them will do. */
  readonly urls: readonly string[];
  /** A PEM file of the authorities that may vouch for the broker; it can be read. */
  readonly caFile?: string;
  /** Whether to declare exchanges and queues, or only to check that they are there. */
  readonly topology: 'declare' | 'check';
  /** Where workers take events from. */
  readonly queue: string;
  /** How many messages a worker may hold. */
  readonly prefetch: number;
}

const amqpUrls = urls(['amqp', 'amqps']);

const specs = {
  /** Where RabbitMQ is; several, separated by commas, are a cluster. A secret: it holds the password. */
  AMQP_URL: orFile(
    amqpUrls({ desc: 'where RabbitMQ is, as amqp://user:password@host:5672/vhost' }),
  ),
  /** For a broker whose certificate no public authority has signed. */
  AMQP_CA_FILE: readableFile({ default: undefined }),
  /** `check` is for users that may not configure: the names must be there already. */
  AMQP_TOPOLOGY: choice(['declare', 'check'])({ default: 'declare' }),
  /** Another than the one of all: "More queues" in docs/production.md. */
  AMQP_QUEUE: text({ default: WRITER_QUEUE }),
  /** Each is of up to 256 KiB. `npm run bench -- --only prefetch` draws the curve. */
  AMQP_PREFETCH: integer({ min: 1, max: 10_000 })({ default: PREFETCH }),
};

export const brokerSettings = settingsGroup({
  specs,
  settings: (values): BrokerSettings => ({ ...common(values), urls: values.AMQP_URL }),
});

/** For a process that brings a queue of its own where no broker is named: `urls` is undefined then. */
export const optionalBrokerSettings = settingsGroup({
  specs: { ...specs, AMQP_URL: orFile(amqpUrls({ default: undefined })) },
  settings: (values) => ({ ...common(values), urls: values.AMQP_URL }),
});

function common(values: {
  readonly AMQP_CA_FILE: string | undefined;
  readonly AMQP_TOPOLOGY: 'declare' | 'check';
  readonly AMQP_QUEUE: string;
  readonly AMQP_PREFETCH: number;
}): Omit<BrokerSettings, 'urls'> {
  const { AMQP_CA_FILE: caFile, AMQP_TOPOLOGY: topology } = values;
  const { AMQP_QUEUE: queue, AMQP_PREFETCH: prefetch } = values;
  return { ...(caFile === undefined ? {} : { caFile }), topology, queue, prefetch };
}
