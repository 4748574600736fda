import { EVENT_TYPES } from '@presence/domain';
import {
  BATCH_KEY,
  CHANGES_EXCHANGE,
  DEAD_LETTERS,
  EVENTS_EXCHANGE,
  eventKey,
  MAX_BODY_BYTES,
  OCCURRED_HEADER,
  PROGRESS_HEADER,
  REASON_HEADER,
  WRITER_QUEUE,
} from './names.js';
import {
  BATCH_SCHEMA,
  CHANGE_SCHEMA,
  EVENT_SCHEMAS,
  PROGRESS_SCHEMA,
  REPLY_SCHEMA,
} from './schema.js';

const JSON_TYPE = 'application/json';
const REFUSALS = [
  'invalid_json',
  'too_large',
  'too_many',
  'invalid_event',
  'routing_key_mismatch',
  'unknown_user',
  'future_timestamp',
];

function ref(path: string) {
  return { $ref: `#/${path}` };
}

/** Every exchange and message of the service as an AsyncAPI 3 document, from the decoder's schemas. */
export function asyncapiDocument() {
  return {
    asyncapi: '3.0.0',
    info: {
      title: 'Presence: events and changes',
      version: '1.0.0',
      description:
        'Who is online, and when was everybody last seen. Publish events to ' +
        `\`${EVENTS_EXCHANGE}\`, persistent and as JSON of at most ${MAX_BODY_BYTES} bytes; listen ` +
        `to changes on \`${CHANGES_EXCHANGE}\`. Unknown fields are ignored, and fields are only ` +
        'ever added. Delivery is at least once in both directions; applying an event twice, or ' +
        'in another order, changes nothing.',
      license: { name: 'MIT' },
    },
    defaultContentType: JSON_TYPE,
    channels: channels(),
    operations: operations(),
    components: { messages: messages(), schemas: schemas() },
  };
}

function channels() {
  const types = [...EVENT_TYPES, 'batch'];
  return {
    events: {
      address: 'presence.{type}',
      title: 'Events',
      description: `Exchange \`${EVENTS_EXCHANGE}\` (topic, durable). The routing key must match what the message holds, so that topic permissions say who may publish what. Workers take from the quorum queue \`${WRITER_QUEUE}\`, bound to \`presence.#\`.`,
      parameters: { type: { enum: types, description: 'The event’s type, or `batch`.' } },
      messages: Object.fromEntries(types.map((type) => [type, ref(`components/messages/${type}`)])),
      bindings: { amqp: exchange(EVENTS_EXCHANGE, 'topic') },
    },
    replies: {
      address: null,
      title: 'Replies',
      description:
        'Where `reply_to` of a single event says, by RabbitMQ’s direct reply-to for one.',
      messages: { reply: ref('components/messages/reply') },
    },
    changes: {
      address: 'presence.{status}',
      title: 'Changes',
      description: `Exchange \`${CHANGES_EXCHANGE}\` (topic, durable): bind a queue of your own.`,
      parameters: {
        status: { enum: ['online', 'away', 'offline'], description: 'What is visible now.' },
      },
      messages: { change: ref('components/messages/change') },
      bindings: { amqp: exchange(CHANGES_EXCHANGE, 'topic') },
    },
    dead: {
      address: '',
      title: 'Refused messages',
      description: `Exchange (fanout) and quorum queue \`${DEAD_LETTERS}\`. The body is the refused event, as it came, or written anew where it had been deferred.`,
      messages: { dead: ref('components/messages/dead') },
      bindings: { amqp: exchange(DEAD_LETTERS, 'fanout') },
    },
  };
}

function exchange(name: string, type: 'topic' | 'fanout') {
  const settings = { name, type, durable: true, autoDelete: false };
  return { is: 'routingKey', exchange: settings, bindingVersion: '0.3.0' };
}

function operations() {
  return {
    takeEvents: {
      action: 'receive',
      summary: 'The service applies events.',
      channel: ref('channels/events'),
      reply: {
        address: { location: '$message.header#/reply_to' },
        channel: ref('channels/replies'),
        messages: [ref('channels/replies/messages/reply')],
      },
    },
    announceChanges: {
      action: 'send',
      summary: 'The service announces every change of visible status, after it is committed.',
      channel: ref('channels/changes'),
    },
    refuse: {
      action: 'send',
      summary: 'The service keeps what it refuses, with the reason.',
      channel: ref('channels/dead'),
    },
  };
}

function messages() {
  const events = EVENT_TYPES.map((type) => [
    type,
    {
      name: type,
      title: `Routing key ${eventKey(type)}`,
      payload: ref(`components/schemas/${type}`),
    },
  ]);
  return {
    ...Object.fromEntries(events),
    batch: {
      name: 'batch',
      title: `Routing key ${BATCH_KEY}`,
      headers: {
        type: 'object',
        properties: { [PROGRESS_HEADER]: ref('components/schemas/progress') },
      },
      payload: ref('components/schemas/batch'),
    },
    change: {
      name: 'change',
      title: 'A change of visible status',
      description: 'Repeats bear the same `id`, which is the `message_id` too.',
      payload: ref('components/schemas/change'),
    },
    reply: { name: 'reply', title: 'The outcome', payload: ref('components/schemas/reply') },
    dead: {
      name: 'dead',
      title: 'A refused event',
      headers: {
        type: 'object',
        properties: {
          [REASON_HEADER]: {
            type: 'string',
            pattern: `^(${REFUSALS.join('|')}|database:[0-9A-Z]{5})$`,
          },
          [OCCURRED_HEADER]: {
            type: 'string',
            format: 'date-time',
            description:
              'When it happened where it bears no `occurred_at`: what the `timestamp` of its message said, or else when that was received.',
          },
        },
      },
      payload: {
        description: 'The refused event, as it came, or written anew where it had been deferred.',
      },
    },
  };
}

/** Plain JSON: what TypeBox keeps beside the schemas is no part of them. */
function schemas(): Record<string, unknown> {
  const all = {
    ...EVENT_SCHEMAS,
    batch: BATCH_SCHEMA,
    change: CHANGE_SCHEMA,
    reply: REPLY_SCHEMA,
    progress: PROGRESS_SCHEMA,
  };
  const plain = JSON.parse(JSON.stringify(all)) as Record<string, Record<string, unknown>>;
  const items = ['activity', 'heartbeat'].map((type) => ref(`components/schemas/${type}`));
  return { ...plain, batch: { ...plain.batch, items: { anyOf: items } } };
}
