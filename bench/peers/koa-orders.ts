import Router from '@koa/router';
import { RabbitmqBroker } from '@presence/adapters/rabbitmq';
import { type TrackedState, trackPresence } from '@presence/api/middleware';
import { createVerifier } from 'fast-jwt';
import Koa from 'koa';
import pg from 'pg';

/**
 * Another team's application: it verifies a token and reads one row by its key. TRACK=1 puts the
 * tracking line in front, and changes nothing else.
 */
const { PORT, DATABASE_URL, AMQP_URL = '', JWT_SECRET = '', TRACK } = process.env;

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
const app = new Koa<State>();

app.use((ctx, next) => {
  try {
    const claims = verify(ctx.get('Authorization').slice('Bearer '.length));
    ctx.state.user = { id: Number(claims.sub) };
  } catch {
    ctx.throw(401);
  }
  return next();
});

if (TRACK === '1') {
  const broker = new RabbitmqBroker({ urls: [AMQP_URL], topology: 'check', name: 'orders' });
  const publisher = broker.publisher();
  broker.start();
  app.use(trackPresence<State>({ publisher, user: (ctx) => ctx.state.user?.id }));
}

const router = new Router<State>();
router.get('/account/', async (ctx) => {
  const { rows } = await pool.query({
    name: 'account',
    text: 'SELECT id, username FROM account WHERE id = $1',
    values: [ctx.state.user!.id],
  });
  ctx.body = rows[0];
});
app.use(router.routes());
app.listen(Number(PORT), '127.0.0.1', () => process.stdout.write('listening\n'));
