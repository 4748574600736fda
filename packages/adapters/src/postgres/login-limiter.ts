import { createHash } from 'node:crypto';
import { isIPv4, isIPv6 } from 'node:net';
import { type Duration, type LoginLimiter, Unavailable } from '@presence/domain';
import type pg from 'pg';
import { RateLimiterPostgres, type RateLimiterRes } from 'rate-limiter-flexible';
import { isConflict, isLockTimeout, translateError } from './errors.js';
import { PendingLogins } from './pending-logins.js';

export interface LoginLimits {
  /** Failures on one account from one address. */
  readonly perAccount: number;
  /** Failures from one address, on whatever accounts. */
  readonly perAddress: number;
  readonly window: Duration;
}

export const LOGIN_LIMITS: LoginLimits = { perAccount: 10, perAddress: 50, window: 900_000 };

/**
 * Counts failed logins in the database, so for all instances together. No key is of an account
 * alone: a stranger's failures never lock anybody out who comes from elsewhere.
 *
 * Attempts that come all at once all pass {@link blockedFor} before the first of them has failed.
 * Whoever asks it once more after a password has proved right gives such guesses nothing.
 */
export class PostgresLoginLimiter implements LoginLimiter {
  readonly #accounts: RateLimiterPostgres;
  readonly #addresses: RateLimiterPostgres;
  readonly #pending: PendingLogins;

  constructor(pool: pg.Pool, { perAccount, perAddress, window }: LoginLimits = LOGIN_LIMITS) {
    const common = {
      storeClient: pool,
      storeType: 'pool',
      tableName: 'login_failures',
      tableCreated: true, // By a migration.
      duration: window / 1_000,
    };
    this.#accounts = new RateLimiterPostgres({
      ...common,
      keyPrefix: 'account',
      points: perAccount,
    });
    this.#addresses = new RateLimiterPostgres({
      ...common,
      keyPrefix: 'address',
      points: perAddress,
    });
    this.#pending = new PendingLogins(perAddress);
  }

  /**
   * As many at once as may fail: what comes all at once has passed {@link blockedFor} before the first
   * has failed, and each would have its password hashed, 25 ms of a processor, before everybody else's.
   * The others wait, and by their turn the first have failed, or not.
   */
  inTurn<T>(address: string, login: () => Promise<T>): Promise<T> {
    return this.#pending.run(network(address), login);
  }

  async blockedFor(username: string, address: string): Promise<Duration> {
    const [account, whole] = await stored([
      this.#accounts.get(accountKey(username, address)),
      this.#addresses.get(network(address)),
    ]);
    return Math.max(pause(this.#accounts, account), pause(this.#addresses, whole));
  }

  async failed(username: string, address: string): Promise<void> {
    await stored([
      this.#accounts.penalty(accountKey(username, address)),
      this.#addresses.penalty(network(address)),
    ]);
  }

  /** The address keeps its count: an account of one's own must not pay for guessing others'. */
  async succeeded(username: string, address: string): Promise<void> {
    await stored([this.#accounts.delete(accountKey(username, address))]);
  }
}

function pause(
  { points }: RateLimiterPostgres,
  failures: RateLimiterRes | null | undefined,
): Duration {
  return failures && failures.consumedPoints >= points ? failures.msBeforeNext : 0;
}

async function stored<T>(answers: readonly Promise<T>[]): Promise<T[]> {
  try {
    return await Promise.all(answers);
  } catch (error) {
    // Rows and tables that somebody else has locked are free again in a moment.
    if (isLockTimeout(error) || isConflict(error)) {
      throw new Unavailable('database', 1_000, { cause: error });
    }
    throw translateError(error);
  }
}

/** A digest: usernames may be longer than a key, and have no business in this table. */
function accountKey(username: string, address: string): string {
  const account = `${network(address)} ${username}`;
  return createHash('sha256').update(account).digest('base64url');
}

/**
 * Who is counted as one: an IPv4 address, or the /64 that IPv6 gives a single household, which
 * could else change its address for every guess. So could a proxy's client with whatever text it
 * says: all that is no address counts as one.
 */
function network(told: string): string {
  const address = withoutPort(told).replace(/^::ffff:(?=\d+\.)/i, '');
  if (isIPv6(address)) return `${firstGroups(address).join(':')}::/64`;
  return isIPv4(address) ? address : 'unknown';
}

/** Some proxies tell the client's port, too: another one for each connection. */
function withoutPort(address: string): string {
  const [, six, four] = /^(?:\[(.+)\](?::\d+)?|(\d+\.\d+\.\d+\.\d+):\d+)$/.exec(address) ?? [];
  return six ?? four ?? address;
}

function firstGroups(address: string): string[] {
  const [head = '', tail] = address.split('%', 1)[0]!.split('::');
  const groups = head === '' ? [] : head.split(':');
  const after = tail === undefined || tail === '' ? [] : tail.split(':');
  const zeros = Array<string>(Math.max(0, 8 - groups.length - after.length)).fill('0');
  const all = tail === undefined ? groups : [...groups, ...zeros, ...after];
  return all.slice(0, 4).map((group) => Number.parseInt(group, 16).toString(16));
}
