import { STATUSES } from '@presence/domain';
import Type from 'typebox';

/** Text that Postgres can hold: it refuses NUL. */
const noNul = '^[^\\u0000]*$';

export const USER_ID = Type.Integer({
  minimum: 1,
  maximum: Number.MAX_SAFE_INTEGER,
  description: 'The number of a user.',
  examples: [1],
});

export const STATUS = Type.Enum([...STATUSES], {
  description: 'Whether a user is online, away or offline.',
  examples: ['online'],
});

export const TIME = Type.String({
  pattern: '^\\d{4,}-\\d\\d-\\d\\dT\\d\\d:\\d\\d:\\d\\d\\.\\d{3}Z$',
  description: 'RFC 3339, UTC, milliseconds.',
  examples: ['2024-01-15T10:30:00.000Z'],
});

const lastSeen = Type.Union([TIME, Type.Null()], {
  description: 'When the user was last seen; null for one who never was.',
});

const presenceFields = {
  online_status: STATUS,
  last_seen: lastSeen,
  is_online: Type.Boolean({ description: 'Whether online_status is online.' }),
};

const email = Type.Union([Type.String(), Type.Null()], { examples: ['ahmad@example.com'] });
const role = Type.String({ examples: ['user'] });
const usernameShown = Type.String({ examples: ['ahmad'] });

export const USER = Type.Object({
  id: USER_ID,
  username: usernameShown,
  email,
  role,
  ...presenceFields,
});

/** `email` and `role` are left out for callers that may only read. */
export const LISTED_USER = Type.Object({
  id: USER_ID,
  username: usernameShown,
  email: Type.Optional(email),
  role: Type.Optional(role),
  ...presenceFields,
});

export const USER_STATUS = Type.Object({
  user_id: USER_ID,
  username: usernameShown,
  ...presenceFields,
});

const count = Type.Integer({ minimum: 0 });
const orNull = (schema: Type.TSchema) => Type.Union([schema, Type.Null()]);

export const PAGINATION = Type.Object({
  page: orNull(Type.Integer({ minimum: 1 })),
  per_page: Type.Integer({ minimum: 1, maximum: 100 }),
  total_pages: orNull(count),
  total_count: count,
  has_next: Type.Boolean(),
  has_previous: Type.Boolean(),
  next_cursor: orNull(Type.String({ description: 'Give it as `cursor` for the next page.' })),
});

/** Set where reads do not show the change yet; they will. */
export const PENDING = Type.Optional(
  Type.Literal(true, { description: 'Reads do not show it yet; they will.' }),
);

export const PAGE_FIELDS = {
  page: Type.Optional(
    Type.Integer({ minimum: 1, maximum: Number.MAX_SAFE_INTEGER, description: 'From 1.' }),
  ),
  per_page: Type.Optional(
    Type.Integer({ minimum: 1, maximum: 100, description: '50 by default.' }),
  ),
  cursor: Type.Optional(
    Type.String({
      maxLength: 512,
      pattern: noNul,
      description:
        'Pages by key, which stays quick however far it goes: a `next_cursor`, or empty for the first page. Not together with `page`.',
    }),
  ),
};

export const PAGE_QUERY = Type.Object(PAGE_FIELDS);

export const LIST_QUERY = Type.Object({
  online_status: Type.Optional(STATUS),
  search: Type.Optional(
    Type.String({
      maxLength: 255,
      pattern: noNul,
      description: 'A literal, case-insensitive part of the username or the e-mail address.',
    }),
  ),
  ...PAGE_FIELDS,
});

export const USER_ID_PARAMS = Type.Object({ id: USER_ID });

export const CREDENTIALS = Type.Object({
  username: Type.String({ minLength: 1, maxLength: 255, pattern: noNul, examples: ['ahmad'] }),
  password: Type.String({ minLength: 1, maxLength: 1_024, examples: ['ahmad-demo'] }),
});

const refresh = Type.String({
  minLength: 1,
  maxLength: 4_096,
  description: 'A refresh token.',
  examples: ['kX2c0a5l9cHQ6eJ4mN8rT1vY3wZ7bD0fG5hK9pS2uAo'],
});

export const REFRESH = Type.Object({ refresh });
/** A client that keeps none may well say so. */
export const LOGOUT = Type.Object({ refresh: Type.Optional(Type.Union([refresh, Type.Null()])) });

export const TOKENS = {
  access: Type.String({ description: 'An access token, for `Authorization: Bearer`.' }),
  refresh: Type.String({ description: 'A refresh token. It can be spent once.' }),
};

export const PROBLEM = Type.Object(
  {
    type: Type.String({ examples: ['about:blank'] }),
    title: Type.String({ examples: ['Bad Request'] }),
    status: Type.Integer({ examples: [400] }),
    detail: Type.String({ examples: ['The request is not valid.'] }),
    errors: Type.Optional(
      Type.Array(Type.Object({ field: Type.String(), message: Type.String() }), { minItems: 1 }),
    ),
  },
  { description: 'RFC 9457.' },
);
