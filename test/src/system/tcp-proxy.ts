import { once } from 'node:events';
import { type AddressInfo, connect, createServer, type Server, type Socket } from 'node:net';

/** Which way bytes go. */
export type Direction = 'toServer' | 'toClient';

const DIRECTIONS: readonly Direction[] = ['toServer', 'toClient'];

interface Lane {
  readonly direction: Direction;
  readonly from: Socket;
  swallowed: boolean;
}

/** One process's own way to a server, which a test can cut or hold without hurting anybody else's. */
export class TcpProxy {
  readonly #server: Server;
  readonly #target: URL;
  readonly #sockets = new Set<Socket>();
  readonly #held = new Set<Direction>();
  readonly #lanes = new Set<Lane>();
  readonly #watches = new Set<(direction: Direction, bytes: Buffer) => void>();
  /** When each connection came, whether or not it was let through, by the monotonic clock. */
  readonly arrivals: number[] = [];
  #open = true;

  private constructor(server: Server, target: URL) {
    this.#server = server;
    this.#target = target;
  }

  /** @param url of the server, with its port */
  static async to(url: string): Promise<TcpProxy> {
    const server = createServer();
    const proxy = new TcpProxy(server, new URL(url));
    server.on('connection', (client) => proxy.#join(client));
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    return proxy;
  }

  /** The server's address, by this way. */
  get url(): string {
    const url = new URL(this.#target);
    url.host = `127.0.0.1:${(this.#server.address() as AddressInfo).port}`;
    return url.href;
  }

  /** Breaks what goes through, and lets nothing more through. */
  cut(): void {
    this.#open = false;
    for (const socket of this.#sockets) socket.destroy();
  }

  /** Lets through again, whether it was cut or held. */
  mend(): void {
    this.#open = true;
    this.release();
  }

  /**
   * Connections stay open, new ones are taken, and nothing that is sent arrives. What comes
   * meanwhile arrives after {@link release}, unless the way is cut before.
   */
  hold(...directions: readonly Direction[]): void {
    for (const direction of directions.length > 0 ? directions : DIRECTIONS) {
      this.#held.add(direction);
    }
    for (const { direction, from } of this.#lanes) if (this.#held.has(direction)) from.pause();
  }

  release(): void {
    this.#held.clear();
    for (const { from } of this.#lanes) from.resume();
  }

  /** Carries nothing more of what is connected now, ever, and breaks nothing: a black hole. */
  swallow(): void {
    for (const lane of this.#lanes) lane.swallowed = true;
  }

  /** Holds one way just before the bytes that hold `text` go on. Resolves once that has happened. */
  holdBefore(text: string, direction: Direction): Promise<void> {
    return new Promise((resolve) => {
      const watch = (way: Direction, bytes: Buffer) => {
        if (way !== direction || !bytes.includes(text)) return;
        this.#watches.delete(watch);
        this.hold(direction);
        resolve();
      };
      this.#watches.add(watch);
    });
  }

  async close(): Promise<void> {
    this.cut();
    this.#server.close();
    await once(this.#server, 'close');
  }

  #join(client: Socket): void {
    this.arrivals.push(performance.now());
    if (!this.#open) {
      client.destroy();
      return;
    }
    const server = connect(Number(this.#target.port), this.#target.hostname);
    this.#tie('toServer', client, server);
    this.#tie('toClient', server, client);
  }

  #tie(direction: Direction, from: Socket, to: Socket): void {
    const lane: Lane = { direction, from, swallowed: false };
    this.#lanes.add(lane);
    this.#sockets.add(from);
    from.setNoDelay(true);
    from.on('error', () => {}); // 'close' follows.
    from.on('close', () => {
      this.#lanes.delete(lane);
      this.#sockets.delete(from);
      to.destroy();
    });
    from.on('data', (bytes) => this.#pass(lane, to, bytes));
    from.on('end', () => to.end());
    to.on('drain', () => this.#held.has(direction) || from.resume());
    if (this.#held.has(direction)) from.pause();
  }

  #pass({ direction, from, swallowed }: Lane, to: Socket, bytes: Buffer): void {
    if (swallowed) return;
    for (const watch of [...this.#watches]) watch(direction, bytes);
    if (this.#held.has(direction)) from.unshift(bytes);
    else if (!to.write(bytes)) from.pause();
  }
}
