import { Ajv, type ValidateFunction } from 'ajv';
import { BATCH_KEY } from './names.js';
import { BATCH_SCHEMA, CHANGE_SCHEMA, EVENT_SCHEMAS, REPLY_SCHEMA } from './schema.js';

const ajv = new Ajv({ allErrors: true, strict: true, strictRequired: false });
const compiled = new Map<object, ValidateFunction>();

/** What a message is, by the exchange that carries it; `reply`: an answer to a submitted event. */
export type Carrier = 'presence.events' | 'presence.changes' | 'reply';

/**
 * Holds a message against its published JSON Schema. For tests, and for services that publish.
 * @returns what is wrong with it, in words; nothing where it is as documented.
 */
export function messageFaults(
  carrier: Carrier,
  routingKey: string,
  body: string | Buffer,
): string[] {
  const schema = schemaOf(carrier, routingKey);
  if (schema === undefined) return [`${carrier} carries nothing under ${routingKey}`];
  const validate = compiled.get(schema) ?? compile(schema);
  if (validate(JSON.parse(body.toString()))) return [];
  return (validate.errors ?? []).map(({ instancePath, message }) => `${instancePath} ${message}`);
}

function compile(schema: object): ValidateFunction {
  const validate = ajv.compile(schema);
  compiled.set(schema, validate);
  return validate;
}

function schemaOf(carrier: Carrier, routingKey: string): object | undefined {
  if (carrier === 'reply') return REPLY_SCHEMA;
  if (carrier === 'presence.changes') return CHANGE_SCHEMA;
  if (routingKey === BATCH_KEY) return BATCH_SCHEMA;
  const events: Record<string, object> = EVENT_SCHEMAS;
  return events[routingKey.replace(/^presence\./, '')];
}
