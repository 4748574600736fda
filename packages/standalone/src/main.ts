import { FolderTaken } from '@presence/adapters/embedded';
import { listenFault, messageOf, onStopSignal, outliveErrors } from '@presence/adapters/process';
import { Unavailable } from '@presence/domain';
import { HELP, startOptions } from './command-line.js';
import { type Standalone, startStandalone } from './standalone.js';

const LATEST_END = 9_500;

/** Of a folder that is a file, is out of bounds, or has no room. */
const FOLDER_FAULTS = ['EEXIST', 'ENOTDIR', 'EACCES', 'EPERM', 'EROFS', 'ENOSPC'];

const stopping = new AbortController();

async function main(): Promise<void> {
  const options = startOptions(process.argv.slice(2));
  if (options.help) {
    process.stdout.write(HELP);
    return;
  }
  const starting = startStandalone(process.env, options, stopping.signal);
  onStopSignal((signal) => void stop(starting, signal));
  const { welcome, logger, registry } = await starting;
  outliveErrors(logger, registry);
  process.stdout.on('error', () => {}); // A terminal that has gone: nobody reads the welcome.
  process.stdout.write(welcome);
}

async function stop(starting: Promise<Standalone>, signal: string): Promise<void> {
  stopping.abort();
  setTimeout(() => process.exit(1), LATEST_END).unref();
  const standalone = await starting.catch(() => undefined);
  standalone?.logger.info({ signal }, 'stopping');
  await standalone?.close();
  process.exit(0);
}

/** What a person can do something about is said in a sentence; the rest with its stack. */
function explain(error: unknown): string {
  const { code, path } = error as { code?: string; path?: string };
  if (error instanceof FolderTaken) {
    return `${error.message}\nStop it first, or set PRESENCE_DATA_DIR to another folder.`;
  }
  const fault = listenFault(error, 'PORT, or OPS_PORT for the metrics,');
  if (fault !== undefined) return fault;
  if (code !== undefined && FOLDER_FAULTS.includes(code) && path !== undefined) {
    return `The data folder cannot be used: ${messageOf(error)}.\nSet PRESENCE_DATA_DIR to another one.`;
  }
  if (error instanceof Unavailable) return `${error.message} ${messageOf(error.cause)}`;
  if (code?.startsWith('ERR_PARSE_ARGS')) return `${messageOf(error)}\n\n${HELP}`;
  return error instanceof Error ? `${error.stack}` : String(error);
}

main().catch((error: unknown) => {
  if (stopping.signal.aborted && error instanceof Unavailable) return; // It is waited for no longer.
  process.stderr.write(`${explain(error)}\n`);
  process.exit(1);
});
