import { createInterface } from 'node:readline/promises';
import { Writable } from 'node:stream';

export const SHORTEST_PASSWORD = 8;
/** As long as the login takes. */
export const LONGEST_PASSWORD = 1_024;

/**
 * Reads a password: from a terminal twice, without showing it; from a pipe the first line.
 * @throws Error that says what is wrong with it
 */
export async function readPassword(): Promise<string> {
  const password = process.stdin.isTTY ? await ask() : await firstLine();
  const { length } = [...password];
  if (length < SHORTEST_PASSWORD) {
    throw new Error(`The password must have at least ${SHORTEST_PASSWORD} characters.`);
  }
  if (length > LONGEST_PASSWORD) {
    throw new Error(`The password must have at most ${LONGEST_PASSWORD} characters.`);
  }
  return password;
}

async function ask(): Promise<string> {
  const silent = new Writable({ write: (_chunk, _encoding, done) => done() });
  const terminal = createInterface({ input: process.stdin, output: silent, terminal: true });
  terminal.once('SIGINT', () => process.exit(130));
  try {
    const password = await question(terminal, 'Password: ');
    const again = await question(terminal, 'Again: ');
    if (password !== again) throw new Error('The two passwords are not the same.');
    return password;
  } finally {
    terminal.close();
  }
}

async function question(terminal: ReturnType<typeof createInterface>, text: string) {
  process.stderr.write(text);
  const answer = await terminal.question('');
  process.stderr.write('\n');
  return answer;
}

async function firstLine(): Promise<string> {
  const lines = createInterface({ input: process.stdin });
  for await (const line of lines) return line;
  throw new Error('A password is expected on standard input.');
}
