import { connect } from 'node:net';
import { setImmediate as turn } from 'node:timers/promises';

/** An answer as its bytes have it. */
export interface Answer {
  readonly status: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: string;
}

/** Sends the chunks one by one, and reads until the connection is ended. */
export function converse(
  { port }: { readonly port: number },
  chunks: readonly string[],
  pause: (at: number) => Promise<unknown> = turn,
): Promise<Answer[]> {
  return new Promise((resolve) => {
    let told = '';
    const socket = connect({ port, host: '127.0.0.1', noDelay: true });
    socket.setEncoding('latin1').on('data', (text) => {
      told += String(text);
    });
    // However it ends, what was told until then is what counts.
    socket.on('error', () => {}).on('close', () => resolve(answersIn(told)));
    socket.on('connect', async () => {
      for (const [at, chunk] of chunks.entries()) {
        socket.write(chunk);
        for (let turns = 0; turns < 3; turns++) await turn();
        await pause(at);
      }
    });
  });
}

function answersIn(told: string): Answer[] {
  const answers: Answer[] = [];
  for (let rest = told; rest !== ''; ) {
    const end = rest.indexOf('\r\n\r\n');
    const [first = '', ...lines] = rest.slice(0, end).split('\r\n');
    const fields = lines.map((line) => line.split(': ', 2) as [string, string]);
    const headers = Object.fromEntries(fields.map(([name, value]) => [name.toLowerCase(), value]));
    const length = Number(headers['content-length'] ?? 0);
    const body = rest.slice(end + 4, end + 4 + length);
    answers.push({ status: first.split(' ')[1] ?? '', headers, body });
    rest = rest.slice(end + 4 + length);
  }
  return answers;
}
