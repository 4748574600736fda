import type { Statistics, Status, UserFilter } from '@presence/domain';
import Type from 'typebox';
import { pageRequest, paginationFields } from '../pagination.js';
import { type Route, route } from '../route.js';
import { LIST_QUERY, PAGINATION, USER } from '../schemas.js';
import type { ApiServices } from '../services.js';
import { userFields } from '../wire-user.js';
import { EXAMPLE_PAGINATION, EXAMPLE_USER } from './examples.js';

/** All users, whether online or not. */
export function managementRoutes(services: ApiServices): Route[] {
  return [listRoute(services), statisticsRoute(services)];
}

function listRoute({ reader, watch }: ApiServices): Route {
  return route({
    method: 'GET',
    path: '/api/users/management/list/',
    operationId: 'listUsers',
    tag: 'management',
    access: 'admin',
    summary: 'Users',
    description: 'By id; only those of a status, or with a text in username or e-mail address.',
    query: LIST_QUERY,
    answers: {
      200: {
        description: 'A page of them.',
        schema: Type.Object({ users: Type.Array(USER), pagination: PAGINATION }),
        example: { users: [EXAMPLE_USER], pagination: EXAMPLE_PAGINATION },
        dated: true,
      },
    },
    handle: async (_ctx, { query }) => {
      const request = pageRequest(query);
      const { asOf, value: page } = await reader.list(filterOf(query), request);
      const body = {
        users: page.items.map((user) => userFields(user, user)),
        pagination: paginationFields(request, page),
      };
      return { body, asOf: watch.note(asOf) };
    },
  });
}

function filterOf(query: { online_status?: Status; search?: string }): UserFilter {
  const { online_status: status, search } = query;
  return { ...(status !== undefined && { status }), ...(search !== undefined && { search }) };
}

function statisticsRoute({ reader, watch }: ApiServices): Route {
  const count = Type.Integer({ minimum: 0 });
  return route({
    method: 'GET',
    path: '/api/users/management/statistics/',
    operationId: 'statistics',
    tag: 'management',
    access: 'admin',
    summary: 'How many users are online',
    answers: {
      200: {
        description: 'The counts.',
        schema: Type.Object({
          total_users: count,
          online_users: count,
          away_users: count,
          offline_users: count,
          online_ratio: Type.Number({
            minimum: 0,
            maximum: 100,
            description: 'A percentage with at most two decimals; 0 without users.',
          }),
        }),
        example: {
          total_users: 8,
          online_users: 3,
          away_users: 1,
          offline_users: 4,
          online_ratio: 37.5,
        },
        dated: true,
      },
    },
    handle: async () => {
      const { asOf, value } = await reader.statistics();
      return { body: statisticsFields(value), asOf: watch.note(asOf) };
    },
  });
}

function statisticsFields({ total, online, away, offline }: Statistics) {
  return {
    total_users: total,
    online_users: online,
    away_users: away,
    offline_users: offline,
    online_ratio: total === 0 ? 0 : Math.round((online / total) * 10_000) / 100,
  };
}
