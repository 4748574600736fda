import type { Logger } from 'pino';
import { Counter, type Registry } from 'prom-client';

/**
 * Has this process tell and count errors that nobody caught, and go on. Node would end it: with
 * every heartbeat that it only holds in memory, and then the next process, which meets the same
 * request. To go on is safe here: what was promised is committed, or confirmed by the broker; a
 * request and a delivery share no state with the next; what is connected is connected again, and
 * an unsettled delivery is handed back in time. To be called once the process has started: until
 * then an error is to end it.
 */
export function outliveErrors(logger: Pick<Logger, 'error'>, registry: Registry): void {
  const errors = new Counter({
    name: 'presence_unhandled_errors_total',
    help: 'Errors that nobody caught: each is a bug.',
    registers: [registry],
  });
  const tell = (err: unknown) => {
    errors.inc();
    logger.error({ err }, 'nobody caught this error; the process goes on');
  };
  process.on('uncaughtException', tell);
  process.on('unhandledRejection', tell);
}
