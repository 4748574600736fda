import { RowRefused, Unavailable } from '@presence/domain';
import pg from 'pg';

/** The transaction lost against another one: doing it again at once will do. */
const CONFLICTS = new Set(['40001', '40P01']);

/**
 * Classes that blame the data: data exceptions, integrity constraints, WITH CHECK OPTION, and what
 * triggers raise.
 */
const DATA_CLASSES = new Set(['22', '23', '44', 'P0']);

const LOCK_NOT_AVAILABLE = '55P03';
export const UNIQUE_VIOLATION = '23505';
const UNDEFINED_TABLE = '42P01';
const INSUFFICIENT_PRIVILEGE = '42501';

export function sqlState(error: unknown): string | undefined {
  return error instanceof pg.DatabaseError ? error.code : undefined;
}

export function isConflict(error: unknown): boolean {
  return CONFLICTS.has(sqlState(error) ?? '');
}

export function isLockTimeout(error: unknown): boolean {
  return sqlState(error) === LOCK_NOT_AVAILABLE;
}

export function isUniqueViolation(error: unknown): boolean {
  return sqlState(error) === UNIQUE_VIOLATION;
}

/**
 * What an error of `pg` means to the domain. Lock timeouts, conflicts and duplicates stay as they
 * are, for whoever can do something about them; data errors are the row's fault; all else that
 * the server or the connection says (shut down, read-only, disk full, too many connections, time
 * run out) will pass. Errors that are not of `pg` are handed back unchanged.
 */
export function translateError(error: unknown): unknown {
  const state = sqlState(error);
  if (state === undefined) {
    return isConnectionFailure(error)
      ? new Unavailable('database', 1_000, { cause: error })
      : error;
  }
  if (isConflict(error) || isLockTimeout(error) || isUniqueViolation(error)) return error;
  if (blamesData(state)) return new RowRefused(state, { cause: error });
  if (blamesStatement(state)) return error;
  return new Unavailable('database', 1_000, { cause: error });
}

/**
 * A mistake of ours, which waiting does not mend. Tables that are missing will come with a
 * migration, and rights with an operator.
 */
function blamesStatement(state: string): boolean {
  return state.startsWith('42') && state !== UNDEFINED_TABLE && state !== INSUFFICIENT_PRIVILEGE;
}

function blamesData(state: string): boolean {
  return DATA_CLASSES.has(state.slice(0, 2));
}

/** The messages of `pg` and `pg-pool` for a connection that does not come up, or breaks. */
const CONNECTION_MESSAGES =
  /^(Connection terminated|timeout exceeded when trying to connect|timeout expired|Query read timeout|Client has encountered a connection error|Client was closed|Cannot use a pool after|The server does not support SSL|Connection ended unexpectedly)/;

function isConnectionFailure(error: unknown): boolean {
  if (!(error instanceof Error)) return false;
  return (
    'syscall' in error || error instanceof AggregateError || CONNECTION_MESSAGES.test(error.message)
  );
}
