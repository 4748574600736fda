import Router from '@koa/router';
import Koa from 'koa';

/** What a Koa service costs that does nothing: a route, and an answer in JSON. */
const router = new Router();
router.post('/api/users/heartbeat/', (ctx) => {
  ctx.body = {
    message: 'Heartbeat recorded',
    online_status: 'online',
    last_seen: new Date().toISOString(),
    next_heartbeat_in: 30,
  };
});

const app = new Koa();
app.use(router.routes());
app.listen(Number(process.env.PORT), '127.0.0.1', () => process.stdout.write('listening\n'));
