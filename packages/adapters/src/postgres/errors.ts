import { RowRefused, Unavailable } from '@presence/domain';
import pg from 'pg';

/** The transaction lost against another one: doing it again at once will do. */
const CONFLICTS = new Set(['40001', '40P01']);

/**
 * Classes that blame the data: data exceptions, integrity constraints, WITH CHECK OPTION, values too
 * large for an index, and what triggers raise.
 */
const DATA_CLASSES = new Set(['22', '23', '44', '54', 'P0']);

/** Classes of PostgreSQL's own among those that the standard leaves to whoever wants them. */
const SERVER_CLASSES = new Set(['53', '55', '57', '58', '72', 'F0', 'HV', 'XX']);

const LOCK_NOT_AVAILABLE = '55P03';
export const UNIQUE_VIOLATION = '23505';
const UNDEFINED_TABLE = '42P01';
const UNDEFINED_COLUMN = '42703';
const INSUFFICIENT_PRIVILEGE = '42501';
const CARDINALITY_VIOLATION = '21000';

/** What somebody else is about to mend. */
const COMING = new Set([UNDEFINED_TABLE, UNDEFINED_COLUMN, INSUFFICIENT_PRIVILEGE]);

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
 * What an error says of the row, where it does; a duplicate counts, too: no write of a status can
 * raise it but by an index or a trigger of the operator's.
 */
export function refusalOf(error: unknown): RowRefused | undefined {
  if (isUniqueViolation(error)) return new RowRefused(UNIQUE_VIOLATION, { cause: error });
  const meaning = translateError(error);
  return meaning instanceof RowRefused ? meaning : undefined;
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
 * A mistake of ours, which waiting does not mend. Tables and columns that are missing will come with
 * a migration, and rights with an operator.
 */
function blamesStatement(state: string): boolean {
  if (state === CARDINALITY_VIOLATION) return true;
  return state.startsWith('42') && !COMING.has(state);
}

/** A trigger may raise a code of its own, too: the standard leaves 5 to 9 and I to Z to those. */
function blamesData(state: string): boolean {
  const code = state.slice(0, 2);
  return DATA_CLASSES.has(code) || (/^[5-9I-Z]/.test(code) && !SERVER_CLASSES.has(code));
}

/** The messages of `pg` and `pg-pool` for a connection that does not come up, or breaks. */
const CONNECTION_MESSAGES =
  /^(Connection terminated|Client network socket disconnected|There was an error establishing an SSL connection|timeout exceeded when trying to connect|timeout expired|Query read timeout|Client has encountered a connection error|Client was closed|Cannot use a pool after|The server does not support SSL|Connection ended unexpectedly)/;

function isConnectionFailure(error: unknown): boolean {
  if (!(error instanceof Error)) return false;
  return (
    'syscall' in error || error instanceof AggregateError || CONNECTION_MESSAGES.test(error.message)
  );
}
