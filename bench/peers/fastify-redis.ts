import { createVerifier } from 'fast-jwt';
import { fastify } from 'fastify';
import { Redis } from 'ioredis';

/**
 * Presence in memory: who was seen when, in a sorted set. A token is verified once, then known.
 * PIPELINE=1 has the client send what one turn of the event loop asks for in one go.
 */
const { PORT, REDIS_URL = '', JWT_SECRET = '', PIPELINE } = process.env;
const redis = new Redis(REDIS_URL, { enableAutoPipelining: PIPELINE === '1' });
const verify = createVerifier({
  key: JWT_SECRET,
  algorithms: ['HS256'],
  allowedIss: 'presence',
  allowedAud: 'presence',
  cache: 200_000,
});

const app = fastify();
app.post('/api/users/heartbeat/', async (request, reply) => {
  let user: string;
  try {
    user = verify((request.headers.authorization ?? '').slice('Bearer '.length)).sub;
  } catch {
    return reply.code(401).send();
  }
  const now = Date.now();
  await redis.zadd('online', now, user);
  return {
    message: 'Heartbeat recorded',
    online_status: 'online',
    last_seen: new Date(now).toISOString(),
    next_heartbeat_in: 30,
  };
});
await app.listen({ port: Number(PORT), host: '127.0.0.1' });
process.stdout.write('listening\n');
