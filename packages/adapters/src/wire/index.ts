export { asyncapiDocument } from './asyncapi.js';
export { type DecodeRules, decode, type IncomingMessage, type Receipt } from './decode.js';
export { type EncodedBatch, encodeBatches, encodeChange, encodeEvent } from './encode.js';
export { type Carrier, messageFaults } from './message-check.js';
export {
  BATCH_KEY,
  CHANGES_EXCHANGE,
  changeKey,
  DEAD_LETTERS,
  EVENTS_EXCHANGE,
  eventKey,
  MAX_BATCH_EVENTS,
  MAX_BODY_BYTES,
  OCCURRED_HEADER,
  PREFETCH,
  PROGRESS_HEADER,
  REASON_HEADER,
  WRITER_QUEUE,
} from './names.js';
export {
  BATCH_SCHEMA,
  CHANGE_SCHEMA,
  type ChangeJson,
  EVENT_SCHEMA,
  EVENT_SCHEMAS,
  type EventJson,
  PROGRESS_SCHEMA,
  REPLY_SCHEMA,
} from './schema.js';
export { formatTime, parseTime } from './time-text.js';
