import { fileURLToPath } from 'node:url';
import type { Child } from '../child.js';
import { startProcess } from '../process.js';

const SERVER = fileURLToPath(new URL('../../../examples/frontend/serve.mjs', import.meta.url));

/** The example page, served from an origin of its own. */
export class Frontend {
  private constructor(
    readonly origin: string,
    private readonly server: Child,
  ) {}

  /** @param awayAfter seconds without a sign of the person */
  static async start(port: number, apiUrl: string, awayAfter: number): Promise<Frontend> {
    const env = { PORT: `${port}`, PRESENCE_API: apiUrl, AWAY_AFTER: `${awayAfter}` };
    const server = startProcess(SERVER, { env });
    await server.waitForOutput(/The page is at/);
    return new Frontend(`http://127.0.0.1:${port}`, server);
  }

  async stop(): Promise<void> {
    await this.server.end('SIGTERM');
  }
}
