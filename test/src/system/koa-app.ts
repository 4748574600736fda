import { fileURLToPath } from 'node:url';
import type { Child } from '../child.js';
import { freePort } from '../free-port.js';
import { startProcess } from '../process.js';
import type { Asked } from './client.js';
import { TcpProxy } from './tcp-proxy.js';

const ENTRY = fileURLToPath(new URL('../../../examples/koa-app/app.js', import.meta.url));

export interface KoaAppOptions {
  readonly amqpUrl: string;
  readonly jwtSecret: string;
  /** Where it keeps its lease beside the broker; it may do without. */
  readonly databaseUrl?: string;
}

/** An application of another team, as a process of its own with a way of its own to the broker. */
export class KoaApp {
  /** A request that has nothing to do with presence. */
  static readonly request: Asked = { method: 'GET', path: '/products' };

  private constructor(
    readonly url: string,
    readonly process: Child,
    /** To the broker. */
    readonly way: TcpProxy,
  ) {}

  static async start({ amqpUrl, jwtSecret, databaseUrl }: KoaAppOptions): Promise<KoaApp> {
    const [way, port] = [await TcpProxy.to(amqpUrl), await freePort()];
    const database = databaseUrl === undefined ? {} : { DATABASE_URL: databaseUrl };
    const env = { PORT: `${port}`, JWT_SECRET: jwtSecret, AMQP_URL: way.url, ...database };
    const child = startProcess(ENTRY, { env });
    await child.waitForOutput(/is open/);
    return new KoaApp(`http://127.0.0.1:${port}`, child, way);
  }

  async stop(): Promise<void> {
    await this.process.end('SIGTERM');
    await this.way.close();
  }
}
