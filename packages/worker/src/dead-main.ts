import { readFileSync } from 'node:fs';
import { createInterface } from 'node:readline/promises';
import { brokerSettings, readEnvironmentOrExit } from '@presence/adapters/environment';
import { messageOf, printable } from '@presence/adapters/process';
import { DeadLetterQueue, NoDeadLetterQueue } from '@presence/adapters/rabbitmq';
import { Unavailable } from '@presence/domain';
import { Refused, runDeadCommand } from './dead-command.js';
import { DEAD_HELP, type DeadOptions, deadOptions, UsageError } from './dead-options.js';

/** `npm run dead`: 0 it was done; 1 it could not be; 2 it was not asked for properly. */
async function main(): Promise<void> {
  const options = deadOptions(process.argv.slice(2));
  const { command } = options;
  if (command === 'help') print(DEAD_HELP);
  else await withQueue({ ...options, command });
}

async function withQueue(
  options: DeadOptions & { readonly command: Exclude<DeadOptions['command'], 'help'> },
): Promise<void> {
  const { broker } = readEnvironmentOrExit(process.env, { broker: brokerSettings });
  const queue = await openQueue(broker);
  try {
    await runDeadCommand({ queue, now: Date.now, print, tell, confirm }, options);
  } finally {
    await queue.close();
  }
}

async function openQueue({ urls, caFile }: { urls: readonly string[]; caFile?: string }) {
  const ca = caFile && readFileSync(caFile, 'utf8');
  try {
    return await DeadLetterQueue.open({ urls, ca, name: 'presence-dead' });
  } catch (error) {
    if (error instanceof NoDeadLetterQueue) throw error;
    const hosts = urls.map((url) => new URL(url).host).join(', ');
    const reason = messageOf(error);
    throw new Refused(`RabbitMQ at ${hosts} (AMQP_URL) cannot be used: ${reason}`);
  }
}

async function confirm(question: string): Promise<boolean> {
  if (!process.stdin.isTTY) {
    throw new UsageError('There is no terminal to ask for confirmation: say --yes.');
  }
  const terminal = createInterface({ input: process.stdin, output: process.stderr });
  terminal.once('SIGINT', () => process.exit(130));
  try {
    return /^y(es)?$/i.test((await terminal.question(`${question} [y/N] `)).trim());
  } finally {
    terminal.close();
  }
}

function print(text: string): void {
  process.stdout.write(text);
}

function tell(text: string): void {
  process.stderr.write(text);
}

/** `… | head` has seen enough; what is held goes back to the queue as on any other end. */
process.stdout.on('error', (error: NodeJS.ErrnoException) => {
  process.exit(error.code === 'EPIPE' ? 0 : 1);
});

main().catch((error: unknown) => {
  tell(`${explained(error)}\n`);
  if (error instanceof UsageError) tell(`\n${DEAD_HELP}`);
  process.exitCode = error instanceof UsageError ? 2 : 1;
});

function explained(error: unknown): string {
  if (!(error instanceof Unavailable)) return printable(messageOf(error));
  const cause = error.cause instanceof Error ? ` ${messageOf(error.cause)}` : '';
  return printable(
    `RabbitMQ was lost, or did not take a message.${cause} What was not done is where it was: run it again.`,
  );
}
