import { once } from 'node:events';
import { type AddressInfo, connect, createServer, type Server, type Socket } from 'node:net';
import type { Transform } from 'node:stream';

/** A way to a server that can be cut, closed or turned into a black hole. */
export class TcpProxy {
  readonly #server: Server;
  readonly #pairs = new Set<[Socket, Socket]>();
  #open = true;
  #swallow = false;
  /** What changes what the server says on its way to the client, on connections from now on. */
  through: (() => Transform) | undefined;
  /** How many connections were made through it. */
  connections = 0;

  private constructor(server: Server) {
    this.#server = server;
  }

  static async to(port: number, host: string): Promise<TcpProxy> {
    const server = createServer();
    const proxy = new TcpProxy(server);
    server.on('connection', (client) => proxy.#join(client, port, host));
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    return proxy;
  }

  get port(): number {
    return (this.#server.address() as AddressInfo).port;
  }

  /** Breaks every connection. */
  cut(): void {
    for (const [client, server] of this.#pairs) {
      client.destroy();
      server.destroy();
    }
    this.#pairs.clear();
  }

  /** Breaks every connection and refuses new ones. */
  shut(): void {
    this.#open = false;
    this.cut();
  }

  reopen(): void {
    this.#open = true;
    this.#swallow = false;
  }

  /** Keeps connections, and carries nothing more of what clients (`both`: or the server) say. */
  swallow(both: boolean): void {
    this.#swallow = true;
    for (const [client, server] of this.#pairs) {
      client.unpipe(server);
      client.resume();
      if (!both) continue;
      server.unpipe(client);
      server.resume();
    }
  }

  async close(): Promise<void> {
    this.shut();
    this.#server.close();
    await once(this.#server, 'close');
  }

  #join(client: Socket, port: number, host: string): void {
    client.on('error', () => {});
    if (!this.#open) {
      client.destroy();
      return;
    }
    this.connections++;
    const server = connect(port, host);
    const pair: [Socket, Socket] = [client, server];
    this.#pairs.add(pair);
    server.on('error', () => client.destroy());
    server.on('close', () => client.destroy());
    client.on('close', () => {
      server.destroy();
      this.#pairs.delete(pair);
    });
    if (this.#swallow) return;
    client.pipe(server);
    (this.through ? server.pipe(this.through()) : server).pipe(client);
  }
}
