import { randomInt } from 'node:crypto';
import { createServer, type Server } from 'node:net';

/**
 * Below those that systems give to whoever asks for any port, which begin at 32,768 (Linux) or
 * 49,152: a server that takes seconds to start, or is killed and comes back, finds its port free.
 */
const LEAST = 10_000;
const LIMIT = 32_768;

/** Ports on 127.0.0.1 that nobody listens on, all different. */
export async function freePorts(count: number): Promise<number[]> {
  const servers = new Map<number, Server>();
  while (servers.size < count) {
    const port = randomInt(LEAST, LIMIT);
    const server = await listen(port);
    if (server) servers.set(port, server);
  }
  const closed = [...servers.values()].map((server) => new Promise((done) => server.close(done)));
  await Promise.all(closed);
  return [...servers.keys()];
}

export async function freePort(): Promise<number> {
  const [port] = await freePorts(1);
  return port!;
}

/** @returns nothing where somebody has the port. */
function listen(port: number): Promise<Server | undefined> {
  return new Promise((resolve, reject) => {
    const server = createServer();
    server.once('error', (error: NodeJS.ErrnoException) => {
      if (error.code === 'EADDRINUSE' || error.code === 'EACCES') resolve(undefined);
      else reject(error);
    });
    server.listen(port, '127.0.0.1', () => resolve(server));
  });
}
