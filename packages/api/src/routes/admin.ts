import {
  getOnlineUsers,
  getUserOnlineStatus,
  type Status,
  setUserOnlineStatus,
  type UserId,
} from '@presence/domain';
import Type from 'typebox';
import { seesProfiles } from '../access.js';
import { pageRequest, paginationFields } from '../pagination.js';
import { type Reply, type Route, route } from '../route.js';
import {
  LISTED_USER,
  PAGE_QUERY,
  PAGINATION,
  STATUS,
  TIME,
  USER_ID,
  USER_ID_PARAMS,
  USER_STATUS,
} from '../schemas.js';
import type { ApiServices } from '../services.js';
import { formatLastSeen } from '../wire-time.js';
import { listedUser, statusFields } from '../wire-user.js';
import { EXAMPLE_PAGINATION, EXAMPLE_STATUS, EXAMPLE_TIME, EXAMPLE_USER } from './examples.js';

const MAX_QUERIED = 500;

/** Others' statuses. */
export function adminRoutes(services: ApiServices): Route[] {
  return [
    statusRoute(services),
    setStatusRoute(services),
    queryRoute(services),
    onlineRoute(services),
  ];
}

function setStatusRoute(services: ApiServices): Route {
  const set = {
    message: Type.String({ examples: ['User online status updated to away'] }),
    user_id: USER_ID,
    online_status: STATUS,
    last_seen: Type.Union([TIME, Type.Null()]),
  };
  const example = {
    message: 'User online status updated to away',
    user_id: 1,
    online_status: 'away',
    last_seen: EXAMPLE_TIME,
  };
  return route({
    method: 'POST',
    path: '/api/users/admin/users/{id}/set-online-status/',
    operationId: 'setOnlineStatus',
    tag: 'admin',
    access: 'admin',
    summary: "Set a user's status",
    description: "It lasts until the user's next event, or silence.",
    params: USER_ID_PARAMS,
    body: { schema: Type.Object({ status: STATUS }) },
    answers: {
      200: {
        description: 'Committed: every later read shows it, or something later still.',
        schema: Type.Object(set),
        example,
        dated: true,
      },
      202: {
        description: 'On the queue for good, but not committed within two seconds; it will be.',
        schema: Type.Object({ ...set, pending: Type.Literal(true) }),
        example: { ...example, pending: true },
        dated: true,
      },
    },
    problems: [404],
    handle: (_ctx, { params, body }) => setStatus(services, params.id, body.status),
  });
}

async function setStatus(services: ApiServices, userId: UserId, status: Status): Promise<Reply> {
  const { watch, now, logger } = services;
  const { event, submission } = await setUserOnlineStatus(services, userId, status, now());
  logger.info({ userId, status, outcome: submission.outcome }, 'status set by an admin');
  const pending = submission.outcome === 'pending';
  const shown = pending
    ? { status: event.status, lastSeen: event.occurredAt }
    : submission.presence;
  const body = {
    message: `User online status updated to ${status}`,
    user_id: userId,
    online_status: shown.status,
    last_seen: formatLastSeen(shown.lastSeen),
  };
  if (pending) return { status: 202, body: { ...body, pending }, asOf: watch.asOf };
  return { body, asOf: watch.asOf };
}

function statusRoute({ reader, watch }: ApiServices): Route {
  return route({
    method: 'GET',
    path: '/api/users/admin/users/{id}/online-status/',
    operationId: 'getOnlineStatus',
    tag: 'admin',
    access: 'reader',
    summary: "A user's status",
    params: USER_ID_PARAMS,
    answers: {
      200: {
        description: 'How the user is.',
        schema: USER_STATUS,
        example: EXAMPLE_STATUS,
        dated: true,
      },
    },
    problems: [404],
    handle: async (_ctx, { params }) => {
      const { asOf, value } = await getUserOnlineStatus(reader, params.id);
      return { body: statusFields(value), asOf: watch.note(asOf) };
    },
  });
}

function queryRoute({ reader, watch }: ApiServices): Route {
  const ids = Type.Array(USER_ID, { minItems: 1, maxItems: MAX_QUERIED });
  return route({
    method: 'POST',
    path: '/api/users/admin/users/online-status/query/',
    operationId: 'queryOnlineStatuses',
    tag: 'admin',
    access: 'reader',
    summary: 'The statuses of many users',
    description: 'In the order asked for, each user once.',
    body: { schema: Type.Object({ user_ids: ids }) },
    answers: {
      200: {
        description: 'How they are, and which of them are not known.',
        schema: Type.Object({ statuses: Type.Array(USER_STATUS), unknown: Type.Array(USER_ID) }),
        example: { statuses: [EXAMPLE_STATUS], unknown: [7] },
        dated: true,
      },
    },
    handle: async (_ctx, { body }) => {
      const asked = [...new Set(body.user_ids)];
      const { asOf, value: users } = await reader.users(asked);
      const byId = new Map(users.map((user) => [user.id, statusFields(user)]));
      const statuses = asked.map((id) => byId.get(id)).filter((status) => status !== undefined);
      const unknown = asked.filter((id) => !byId.has(id));
      return { body: { statuses, unknown }, asOf: watch.note(asOf) };
    },
  });
}

function onlineRoute({ reader, watch, settings }: ApiServices): Route {
  return route({
    method: 'GET',
    path: '/api/users/admin/users/online/',
    operationId: 'listOnlineUsers',
    tag: 'admin',
    access: 'reader',
    summary: 'Who is online',
    description: 'Most recently seen first, then by id.',
    query: PAGE_QUERY,
    answers: {
      200: {
        description: 'A page of them.',
        schema: Type.Object({
          online_users: Type.Array(LISTED_USER),
          online_count: Type.Integer({ minimum: 0 }),
          pagination: PAGINATION,
        }),
        example: { online_users: [EXAMPLE_USER], online_count: 1, pagination: EXAMPLE_PAGINATION },
        dated: true,
      },
    },
    handle: async (ctx, { query }) => {
      const request = pageRequest(query);
      const { asOf, value: page } = await getOnlineUsers(reader, request);
      const profiles = seesProfiles(ctx.state.caller, settings);
      const body = {
        online_users: page.items.map((user) => listedUser(user, profiles)),
        online_count: page.totalCount,
        pagination: paginationFields(request, page),
      };
      return { body, asOf: watch.note(asOf) };
    },
  });
}
