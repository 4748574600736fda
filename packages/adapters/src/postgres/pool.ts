import { readFileSync } from 'node:fs';
import { type Duration, type Millis, Unavailable } from '@presence/domain';
import pg from 'pg';
import { isConflict, isLockTimeout, translateError } from './errors.js';

/** A transaction that lost against another one is done again at once, this many times. */
const ATTEMPTS = 3;

export interface DatabaseAddress {
  /** postgres://user:password@host:port/database */
  readonly url: string;
  /** A PEM file with the authority that the server's certificate must come from. */
  readonly caFile?: string;
}

export interface PoolSettings extends DatabaseAddress {
  /** Connections at the most. */
  readonly size: number;
  /** Shown in pg_stat_activity. */
  readonly applicationName: string;
  readonly timeouts?: Partial<PoolTimeouts>;
}

/** How long each thing may take before it counts as failed; each fault has a way to go on. */
export interface PoolTimeouts {
  /** Until a connection stands, or one of the pool is free. */
  readonly connect: Duration;
  /** One statement; the socket is given up half as long again afterwards. */
  readonly statement: Duration;
  /** A row that somebody else has locked. */
  readonly lock: Duration;
  /** A connection that nobody needs: a fresh one is slow at first, 100 ms at a busy server. */
  readonly idle: Duration;
  /** A transaction that was begun and left alone. */
  readonly idleTransaction: Duration;
}

export const POOL_TIMEOUTS: PoolTimeouts = {
  connect: 3_000,
  statement: 10_000,
  lock: 1_000,
  idle: 60_000,
  idleTransaction: 15_000,
};

/** The slice of `pg` that the stores use. */
export interface Queryable {
  query<Row extends pg.QueryResultRow>(query: pg.QueryConfig): Promise<pg.QueryResult<Row>>;
}

export function createPool(settings: PoolSettings): pg.Pool {
  const timeouts = { ...POOL_TIMEOUTS, ...settings.timeouts };
  const pool = new pg.Pool({
    ...connectionConfig(settings),
    types: TYPES,
    max: settings.size,
    application_name: settings.applicationName,
    connectionTimeoutMillis: timeouts.connect,
    statement_timeout: timeouts.statement,
    query_timeout: timeouts.statement * 1.5,
    lock_timeout: timeouts.lock,
    idle_in_transaction_session_timeout: timeouts.idleTransaction,
    idleTimeoutMillis: timeouts.idle,
    keepAlive: true,
    // So that what a transaction ends with goes out at once.
    pipeline: true,
    // Compiling a plan takes 200 ms on tables that were never analysed; none of ours runs so long.
    options: '-c jit=off',
  });
  // A connection that breaks fails the query under way, or the next one. Unheard, its error would
  // end the process: the pool hears those that are idle, nobody else those in a transaction that
  // waits for something else than the database.
  pool.on('error', () => {});
  pool.on('connect', (client) => client.on('error', () => {}));
  return pool;
}

export function connectionConfig({ url, caFile }: DatabaseAddress): pg.ClientConfig {
  if (caFile === undefined) return { connectionString: url };
  const ca = readFileSync(caFile, 'utf8');
  if (!URL.canParse(url)) return { connectionString: url, ssl: { ca } };
  // What an address says of TLS goes before all else with `pg`, which then knows of no authority.
  const address = new URL(url);
  const [cert, key] = ['sslcert', 'sslkey'].map((name) => address.searchParams.get(name));
  for (const name of TLS_PARAMETERS) address.searchParams.delete(name);
  const own =
    cert && key ? { cert: readFileSync(cert, 'utf8'), key: readFileSync(key, 'utf8') } : {};
  return { connectionString: address.href, ssl: { ca, ...own } };
}

const TLS_PARAMETERS = ['ssl', 'sslmode', 'sslrootcert', 'sslcert', 'sslkey'];

const { builtins } = pg.types;
const INT8_ARRAY: number = 1016;

/** 64-bit integers as numbers (no id is over 2^53 − 1), moments as {@link Millis}. */
const TYPES: pg.CustomTypesConfig = {
  getTypeParser: (oid: number, format) => {
    if (oid === builtins.INT8) return Number;
    const parse = pg.types.getTypeParser(oid, format);
    if (oid === INT8_ARRAY)
      return (text: string): number[] => (parse(text) as string[]).map(Number);
    if (oid !== builtins.TIMESTAMPTZ) return parse;
    return (text: string): Millis => (parse(text) as Date).getTime();
  },
};

/** Of what is asked over and over: a connection that says nothing costs one look, not several. */
export const LOOK_TIMEOUT: Duration = 2_500;

/** `query_timeout` in milliseconds, instead of the pool's; the types of `pg` leave it out. */
type TimedQuery = pg.QueryConfig & { readonly query_timeout?: Duration };

/** Runs one statement on any connection. @throws Unavailable, RowRefused */
export async function query<Row extends pg.QueryResultRow>(
  pool: pg.Pool,
  config: TimedQuery,
): Promise<Row[]> {
  try {
    return (await pool.query<Row>(config)).rows;
  } catch (error) {
    throw translateError(error);
  }
}

/**
 * The same for those who can do nothing about a table that is locked.
 * @throws Unavailable, RowRefused
 */
export async function ask<Row extends pg.QueryResultRow>(
  pool: pg.Pool,
  config: TimedQuery,
): Promise<Row[]> {
  try {
    return await query<Row>(pool, config);
  } catch (error) {
    throw isLockTimeout(error) ? new Unavailable('database', 1_000, { cause: error }) : error;
  }
}

/**
 * Runs `work` in one transaction: committed when it resolves, rolled back when it throws. The
 * lost reply of a COMMIT counts as failed; doing the work again is up to the caller.
 * @throws Unavailable, RowRefused, what `work` throws
 */
export function transaction<T>(
  pool: pg.Pool,
  work: (client: pg.PoolClient) => Promise<T>,
): Promise<T> {
  return transactionWithEnding(pool, async (client) => {
    const result = await work(client);
    return () => Promise.resolve(result);
  });
}

/**
 * The same for those who can do nothing about a conflict or a lock but to try again, which is done at
 * once.
 * @throws Unavailable, RowRefused, what `work` throws
 */
export async function settledTransaction<T>(
  pool: pg.Pool,
  work: (client: pg.PoolClient) => Promise<T>,
): Promise<T> {
  for (let attempt = 1; ; attempt++) {
    try {
      return await transaction(pool, work);
    } catch (error) {
      if (!isConflict(error) && !isLockTimeout(error)) throw error;
      if (attempt === ATTEMPTS) throw new Unavailable('database', 1_000, { cause: error });
    }
  }
}

/**
 * Sends the last statements of a transaction, all before it first awaits anything, with values that
 * are ready: none hangs on the answer of another.
 */
export type Ending<T> = () => Promise<T>;

/**
 * The same where `work` resolves to an ending, which is sent together with the COMMIT: one round
 * trip instead of one for each statement. Where one of them fails, PostgreSQL rolls back what it is
 * then told to commit. One that is not answered may be committed all the same, as ever.
 */
export async function transactionWithEnding<T>(
  pool: pg.Pool,
  work: (client: pg.PoolClient) => Promise<Ending<T>>,
): Promise<T> {
  const client = await pool.connect().catch((error: unknown) => {
    throw translateError(error);
  });
  let broken: Error | undefined;
  try {
    await client.query('BEGIN');
    const end = await work(client);
    const [result] = await inOrder([end(), client.query('COMMIT')]);
    return result;
  } catch (error) {
    broken = spoils(error) ?? (await rollback(client));
    throw translateError(error);
  } finally {
    client.release(broken);
  }
}

/**
 * As Promise.all, for statements sent at once: of those that fail, the first is told. The others do
 * because of it.
 */
export async function inOrder<T extends readonly unknown[]>(statements: T) {
  await Promise.allSettled(statements);
  return Promise.all(statements);
}

/**
 * A server that is shut down, full or no longer the primary says so on connections that still
 * stand: they are closed, so that the next one finds the server that works. On one that says
 * nothing a ROLLBACK would wait as long as the statement has.
 */
function spoils(error: unknown): Error | undefined {
  const meaning = translateError(error);
  return meaning !== error && meaning instanceof Unavailable ? meaning : undefined;
}

/** @returns the reason why the connection must not be used again. */
async function rollback(client: pg.PoolClient): Promise<Error | undefined> {
  try {
    await client.query('ROLLBACK');
    return undefined;
  } catch (error) {
    return error instanceof Error ? error : new Error(String(error));
  }
}
