import { fileURLToPath } from 'node:url';
import { type Child, freePorts, startProcess } from '@presence/test-services';

const MAIN = fileURLToPath(new URL('../dist/main.js', import.meta.url));
const USERS = fileURLToPath(new URL('../dist/users-main.js', import.meta.url));

export interface Answer {
  readonly status: number;
  // biome-ignore lint/suspicious/noExplicitAny: what a test expects of an answer, it says itself
  readonly body: any;
}

/** `npm start` as a process of its own. */
export class RunningStandalone {
  private constructor(
    readonly child: Child,
    readonly address: string,
    readonly environment: Readonly<Record<string, string>>,
  ) {}

  static async start(
    folder: string,
    environment: Readonly<Record<string, string>> = {},
    args: readonly string[] = [],
  ): Promise<RunningStandalone> {
    const env = await settings(folder, environment);
    const child = startProcess(MAIN, { env, args });
    const [, address] = await child.waitForOutput(
      /presence is running: +(\S+)[\s\S]*Ctrl-C/,
      60_000,
    );
    return new RunningStandalone(child, address!, env);
  }

  async ask(
    method: string,
    path: string,
    { token, body }: { token?: string; body?: object } = {},
  ): Promise<Answer> {
    const response = await fetch(`${this.address}${path}`, {
      method,
      headers: {
        ...(token !== undefined && { authorization: `Bearer ${token}` }),
        ...(body !== undefined && { 'content-type': 'application/json' }),
      },
      ...(body !== undefined && { body: JSON.stringify(body) }),
    });
    return { status: response.status, body: await response.json() };
  }

  /** @returns the access token. */
  async login(username: string, password: string): Promise<string> {
    const { status, body } = await this.ask('POST', '/api/users/login/', {
      body: { username, password },
    });
    if (status !== 200) throw new Error(`Login: ${status} ${JSON.stringify(body)}`);
    return body.access;
  }

  /** As Ctrl-C does. @returns the exit code */
  async stop(): Promise<number | null> {
    this.child.signal('SIGINT');
    return (await this.child.exited).code;
  }
}

/** Starts it where it is expected to end by itself. */
export async function startInVain(
  folder: string,
  environment: Readonly<Record<string, string>> = {},
  args: readonly string[] = [],
): Promise<{ code: number | null; output: string }> {
  const child = startProcess(MAIN, { env: await settings(folder, environment), args });
  const { code } = await child.exited;
  return { code, output: child.output };
}

/** Starts it where it waits for its database. */
export async function startWaiting(
  folder: string,
  environment: Readonly<Record<string, string>>,
): Promise<Child> {
  const child = startProcess(MAIN, { env: await settings(folder, environment) });
  await child.waitForOutput(/waiting for the database/, 30_000);
  return child;
}

/** `npm run users -- …` with a line of standard input. */
export async function users(
  environment: Readonly<Record<string, string>>,
  args: readonly string[],
  input = '',
): Promise<{ code: number | null; stdout: string; stderr: string }> {
  const child = startProcess(USERS, { env: environment, args });
  child.write(input);
  child.endInput();
  const { code } = await child.exited;
  return { code, stdout: child.stdout, stderr: child.stderr };
}

async function settings(folder: string, environment: Readonly<Record<string, string>>) {
  const [port, opsPort] = await freePorts(2);
  return {
    PRESENCE_DATA_DIR: folder,
    PORT: String(port),
    OPS_PORT: String(opsPort),
    ...environment,
  };
}
