import { type DestinationStream, type Logger, pino } from 'pino';

/** What is kept of lines that cannot be written; the rest of them is dropped. */
const UNWRITTEN_BYTES = 1_048_576;
const STANDARD_OUTPUT = 1;

/**
 * JSON lines. An error is written by its name, message, code and stack alone: what else a driver
 * hangs on it may hold a row or a body, and so a token, a password or an address.
 */
export function createLogger(
  name: string,
  level: string,
  destination: DestinationStream = logFile(STANDARD_OUTPUT),
): Logger {
  return pino({ level, name, serializers: { err: errorFields } }, destination);
}

/** A full disk, or a reader that has gone or stands still, costs lines, never the process. */
export function logFile(fd: number): ReturnType<typeof pino.destination> {
  const file = pino.destination({
    ...{ fd, sync: true, maxLength: UNWRITTEN_BYTES },
    // Else it sleeps, and the whole process with it, until the reader reads.
    retryEAGAIN: () => false,
  });
  file.on('error', () => {}); // There is nowhere left to tell of it.
  return file;
}

function errorFields(error: unknown): Record<string, unknown> {
  if (!(error instanceof Error)) return { message: String(error) };
  const { name, message, stack, cause } = error;
  const { code } = error as { code?: unknown };
  return {
    name,
    message,
    ...(typeof code === 'string' && { code }),
    stack,
    ...(cause instanceof Error && { cause: cause.message }),
  };
}
