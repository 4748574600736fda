import type { Duration } from './time.js';
import type { UserId } from './user.js';

/** The caller asked for a user that does not exist. Ask for another. */
export class UnknownUser extends Error {
  override readonly name = 'UnknownUser';
  constructor(readonly userId: UserId) {
    super(`There is no user ${userId}.`);
  }
}

/** Something that the answer needs is away. Nothing was done; try again after `retryAfter`. */
export class Unavailable extends Error {
  override readonly name = 'Unavailable';
  constructor(
    readonly what: 'broker' | 'database' | 'keys',
    readonly retryAfter: Duration = 1_000,
    options?: ErrorOptions,
  ) {
    super(`The ${what} cannot be reached.`, options);
  }
}

/** A name that must be unique is in use. Choose another. */
export class UsernameTaken extends Error {
  override readonly name = 'UsernameTaken';
  constructor(readonly username: string) {
    super(`The username ${JSON.stringify(username)} is taken.`);
  }
}

/** So many logins from one address wait for their turn that no more may. Try again later. */
export class TooManyLogins extends Error {
  override readonly name = 'TooManyLogins';
  constructor() {
    super('Too many logins from this address wait for their turn.');
  }
}

/** Low severity: these rows are locked by somebody else. The rest of the batch may go on without them. */
export class RowsLocked extends Error {
  override readonly name = 'RowsLocked';
  constructor(readonly userIds: readonly UserId[]) {
    super(`${userIds.length} rows are locked by another transaction.`);
  }
}

/** The database refuses what this batch holds and always will; bisect to find the guilty row. */
export class RowRefused extends Error {
  override readonly name = 'RowRefused';
  constructor(
    /** PostgreSQL's five-character SQLSTATE. */
    readonly sqlState: string,
    options?: ErrorOptions,
  ) {
    super(`The database refuses a row with SQLSTATE ${sqlState}.`, options);
  }
}

/** A credential is wrong, spent, expired or revoked. Log in again. */
export class Unauthenticated extends Error {
  override readonly name = 'Unauthenticated';
}

/** A page cursor that no page of this list has given out. Begin with the first page. */
export class InvalidCursor extends Error {
  override readonly name = 'InvalidCursor';
  constructor() {
    super('This cursor is not one that a page of this list has given out.');
  }
}
