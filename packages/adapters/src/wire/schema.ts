import { type EventType, STATUSES } from '@presence/domain';
import Type from 'typebox';
import { MAX_BATCH_EVENTS } from './names.js';
import { TIME_PATTERN } from './time-text.js';

/** Text that PostgreSQL can hold and UTF-8 can say: no NUL, no half of a surrogate pair. */
const TEXT_PATTERN = '^[^\\u0000\\uD800-\\uDFFF]*$';
export const UUID_PATTERN = '^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$';
export const MAX_TEXT = 255;

function text(description: string) {
  return Type.String({ minLength: 1, maxLength: MAX_TEXT, pattern: TEXT_PATTERN, description });
}

function time(description: string) {
  const examples = ['2024-01-15T10:30:00.000Z'];
  return Type.String({ pattern: TIME_PATTERN, description, examples });
}

function oneOf<T extends string>(values: readonly T[], description: string) {
  return Type.Unsafe<T>({ type: 'string', enum: [...values], description });
}

const userId = Type.Integer({
  minimum: 1,
  maximum: Number.MAX_SAFE_INTEGER,
  description: 'The user, by number. Without it, `issuer` and `subject` say who.',
});

const EVENT_FIELDS = {
  user_id: Type.Optional(userId),
  issuer: Type.Optional(text('The `iss` of the user’s tokens.')),
  subject: Type.Optional(text('The `sub` of the user’s tokens.')),
  username: Type.Optional(
    text('Name of a user to be created on first sight, where the service is set up for that.'),
  ),
  session_id: Type.Optional(text('The login session that the event belongs to.')),
  source: Type.Optional(
    Type.String({ pattern: TEXT_PATTERN, description: 'Who publishes; for people who debug.' }),
  ),
};

const NAMES_A_USER = { anyOf: [{ required: ['user_id'] }, { required: ['issuer', 'subject'] }] };

const OCCURRED_AT = time(
  'When it happened: RFC 3339, any offset and fraction, cut to milliseconds.',
);
const REPORTED_AT = Type.Optional(
  time('When it happened. Without it: the message’s `timestamp`, else the time of receipt.'),
);
const IGNORED_STATUS = Type.Optional(oneOf(STATUSES, 'Says nothing: the type decides.'));

function eventSchema<T extends EventType, F extends Record<string, Type.TSchema>>(
  type: T,
  description: string,
  fields: F,
) {
  const properties = { type: Type.Literal(type), ...EVENT_FIELDS, ...fields };
  return Type.Object(properties, { description, ...NAMES_A_USER });
}

/** What each type of event looks like. Unknown fields are ignored. */
export const EVENT_SCHEMAS = {
  activity: eventSchema('activity', 'The user did something: online.', {
    occurred_at: REPORTED_AT,
    status: IGNORED_STATUS,
  }),
  heartbeat: eventSchema('heartbeat', 'The user’s client is there: online, or away.', {
    occurred_at: REPORTED_AT,
    status: Type.Optional(oneOf(['online', 'away'] as const, 'Without it: online.')),
  }),
  login: eventSchema('login', 'The user logged in: online.', {
    occurred_at: OCCURRED_AT,
    status: IGNORED_STATUS,
  }),
  logout: eventSchema('logout', 'The user logged out; ends the presence of `session_id`, if any.', {
    occurred_at: OCCURRED_AT,
    status: IGNORED_STATUS,
  }),
  status_set: eventSchema('status_set', 'Somebody with the right to do so set the status.', {
    occurred_at: OCCURRED_AT,
    status: oneOf(STATUSES, 'The status to show until the user’s next event.'),
  }),
};

export const EVENT_SCHEMA = Type.Union(Object.values(EVENT_SCHEMAS), {
  description: 'One fact about one user.',
});

export const BATCH_SCHEMA = Type.Array(
  Type.Union([EVENT_SCHEMAS.activity, EVENT_SCHEMAS.heartbeat]),
  {
    maxItems: MAX_BATCH_EVENTS,
    description:
      'Activity and heartbeats of many users. May be empty: then it only tells progress.',
  },
);

const CAUSES = ['activity', 'heartbeat', 'login', 'logout', 'status_set', 'expired'] as const;

export const CHANGE_SCHEMA = Type.Object(
  {
    id: Type.String({ description: 'Repeats of one announcement bear the same.' }),
    user_id: Type.Integer({ minimum: 1, maximum: Number.MAX_SAFE_INTEGER }),
    version: Type.Integer({ minimum: 1, description: 'Grows by user.' }),
    from: oneOf(STATUSES, 'The status that was visible before.'),
    to: oneOf(STATUSES, 'The status that is visible now.'),
    at: time('When it changed.'),
    last_seen: time('When the user was last seen.'),
    cause: oneOf(CAUSES, 'The type of the event that did it; `expired`: silence.'),
  },
  { description: 'A change of a user’s visible status, after it is committed.' },
);

/** How a worker answers whoever submitted an event and awaits its effect. */
export const REPLY_SCHEMA = Type.Union([
  Type.Object({
    outcome: Type.Literal('committed'),
    online_status: oneOf(STATUSES, 'What the database says now.'),
    last_seen: Type.Union([time('When the user was last seen.'), Type.Null()]),
  }),
  Type.Object({
    outcome: Type.Literal('refused'),
    reason: Type.String({ description: 'The same as the dead letter’s.' }),
  }),
]);

export const PROGRESS_SCHEMA = Type.Object(
  {
    publisher: Type.String({ pattern: UUID_PATTERN }),
    kind: oneOf(['app', 'worker'] as const, 'A worker ticks, and holds no events of its own.'),
    since: Type.Integer({ minimum: 0, description: 'Microseconds since 1970: when it began.' }),
    from: Type.Integer({ minimum: 0 }),
    through: Type.Integer({ minimum: 0 }),
    last: Type.Boolean({ description: 'Nothing comes after this.' }),
  },
  {
    description:
      'All recorded in [from, through) is in this message or has been in an earlier one.',
  },
);

export type EventJson = Type.Static<typeof EVENT_SCHEMA>;
export type ChangeJson = Type.Static<typeof CHANGE_SCHEMA>;
export type ReplyJson = Type.Static<typeof REPLY_SCHEMA>;

const TEXT = new RegExp(TEXT_PATTERN, 'u');

/** Mirrors {@link TEXT_PATTERN}, and the lengths in code points where `max` is given. */
export function isText(value: unknown, max = Number.POSITIVE_INFINITY): value is string {
  if (typeof value !== 'string' || !TEXT.test(value)) return false;
  return value.length <= max || [...value].length <= max;
}
