import { type DestinationStream, type Logger, pino } from 'pino';

/**
 * JSON lines. An error is written by its name, message, code and stack alone: what else a driver
 * hangs on it may hold a row or a body, and so a token, a password or an address.
 */
export function createLogger(level: string, destination?: DestinationStream): Logger {
  const options = { level, name: 'presence-api', serializers: { err: errorFields } };
  return destination === undefined ? pino(options) : pino(options, destination);
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
