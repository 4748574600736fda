// A team's own application: its own routes, its own login check. One line makes whoever uses it
// show as online in presence.
import { createSecretKey } from 'node:crypto';
import Router from '@koa/router';
import { createPool, PostgresLeaseStore } from '@presence/adapters/postgres';
import { RabbitmqBroker } from '@presence/adapters/rabbitmq';
import { trackPresence } from '@presence/api/middleware';
import jsonwebtoken from 'jsonwebtoken';
import Koa from 'koa';

const { PORT = '3000', HOST = '127.0.0.1', JWT_SECRET = '' } = process.env;
const { AMQP_URL = 'amqp://guest:guest@127.0.0.1:5672', DATABASE_URL } = process.env;
if (JWT_SECRET === '') throw new Error('Set JWT_SECRET to what the tokens are signed with.');

const key = createSecretKey(Buffer.from(JWT_SECRET));

// It connects in the background and comes back by itself. Declaring queues is the worker's task.
const broker = new RabbitmqBroker({ urls: [AMQP_URL], topology: 'check', name: 'shop' });
// It may do without the database. With it, presence waits for what the app has to tell however
// long the broker cannot be reached; without, for a minute.
const pool = DATABASE_URL && createPool({ url: DATABASE_URL, size: 1, applicationName: 'shop' });
const publisher = broker.publisher({ leases: pool && new PostgresLeaseStore(pool) });
broker.start();

const app = new Koa();

// The line. Requests that nobody has logged in for pass it untracked.
app.use(trackPresence({ publisher, user: whoAsks, sessionId: ({ state }) => state.claims.sid }));

app.use(authenticate);
const router = new Router();
router.get('/products', (ctx) => {
  ctx.body = [{ id: 1, name: 'Lamp' }];
});
router.post('/orders', (ctx) => {
  ctx.status = 201;
  ctx.body = { orderedBy: ctx.state.claims.username };
});
router.get('/broken', () => {
  throw new Error('A fault of the application itself.');
});
app.use(router.routes());

/** To presence a user is who their token says they are: its issuer and its subject. */
function whoAsks({ state: { claims } }) {
  return claims && { issuer: claims.iss, subject: claims.sub };
}

function authenticate(ctx, next) {
  const [, token] = /^Bearer (.+)$/i.exec(ctx.get('Authorization')) ?? [];
  try {
    ctx.state.claims = jsonwebtoken.verify(token, key, { algorithms: ['HS256'] });
  } catch {
    ctx.throw(401, { headers: { 'WWW-Authenticate': 'Bearer' } });
  }
  return next();
}

const server = app.listen(Number(PORT), HOST, () => {
  console.log(`The shop is open at http://${HOST}:${PORT}`);
});

for (const signal of ['SIGINT', 'SIGTERM']) process.once(signal, stop);

/** What is recorded still goes out. */
async function stop() {
  server.closeIdleConnections();
  await new Promise((closed) => server.close(closed));
  await publisher.close(3_000);
  await broker.close();
  await pool?.end();
}
