import { createVerifier } from 'fast-jwt';
import { fastify } from 'fastify';
import pg from 'pg';

/** Presence in the users' table, as most begin: one UPDATE a heartbeat. */
const { PORT, DATABASE_URL, JWT_SECRET = '', POOL = '10' } = process.env;
const pool = new pg.Pool({ connectionString: DATABASE_URL, max: Number(POOL) });
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
  const { rows } = await pool.query<{ last_seen: Date }>({
    name: 'seen',
    text: `UPDATE account SET online_status = 'online', last_seen = now() WHERE id = $1
      RETURNING last_seen`,
    values: [user],
  });
  return {
    message: 'Heartbeat recorded',
    online_status: 'online',
    last_seen: rows[0]!.last_seen.toISOString(),
    next_heartbeat_in: 30,
  };
});
await app.listen({ port: Number(PORT), host: '127.0.0.1' });
process.stdout.write('listening\n');
