import { createServer } from 'node:http';
import Router from '@koa/router';
import { RabbitmqBroker } from '@presence/adapters/rabbitmq';
import { type TrackedState, trackPresence } from '@presence/api/middleware';
import { createVerifier } from 'fast-jwt';
import Koa from 'koa';
import pg from 'pg';

/**
 * Another team's application: it verifies a token and reads one row by its key. It is there twice,
 * and nothing but the tracking line is different: both in one process, since two processes of one
 * program may differ by a fifth for as long as they live.
 */
const { PORT, DATABASE_URL, AMQP_URL = '', JWT_SECRET = '' } = process.env;

interface State extends TrackedState {
  user?: { id: number };
}

const verify = createVerifier({
  key: JWT_SECRET,
  algorithms: ['HS256'],
  allowedIss: 'presence',
  allowedAud: 'presence',
  cache: 200_000,
});
const pool = new pg.Pool({ connectionString: DATABASE_URL, max: 10 });
const broker = new RabbitmqBroker({ urls: [AMQP_URL], topology: 'check', name: 'orders' });
const publisher = broker.publisher();

const authenticate: Koa.Middleware<State> = (ctx, next) => {
  try {
    const claims = verify(ctx.get('Authorization').slice('Bearer '.length));
    ctx.state.user = { id: Number(claims.sub) };
  } catch {
    ctx.throw(401);
  }
  return next();
};

function application(prefix: string, ...middleware: Koa.Middleware<State>[]) {
  const app = new Koa<State>();
  for (const each of [authenticate, ...middleware]) app.use(each);
  const router = new Router<State>({ prefix });
  router.get('/account/', async (ctx) => {
    const { rows } = await pool.query({
      name: 'account',
      text: 'SELECT id, username FROM account WHERE id = $1',
      values: [ctx.state.user!.id],
    });
    ctx.body = rows[0];
  });
  return app.use(router.routes()).callback();
}

const untracked = application('/untracked');
const tracked = application(
  '/tracked',
  trackPresence<State>({ publisher, user: (ctx) => ctx.state.user?.id }),
);
const server = createServer((request, response) =>
  (request.url!.startsWith('/tracked/') ? tracked : untracked)(request, response),
);
broker.start();
server.listen(Number(PORT), '127.0.0.1', () => process.stdout.write('listening\n'));
