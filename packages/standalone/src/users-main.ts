import { Argon2Hasher } from '@presence/adapters/argon2';
import { issuerSettings, readEnvironmentOrExit } from '@presence/adapters/environment';
import { createPool, PostgresUserStore } from '@presence/adapters/postgres';
import { messageOf } from '@presence/adapters/process';
import { Unavailable } from '@presence/domain';
import { openDatabase } from './open-database.js';
import { readPassword } from './password-input.js';
import {
  CommandRefused,
  runUsersCommand,
  USERS_HELP,
  type UsersOptions,
  usersOptions,
} from './users-command.js';

async function main(): Promise<void> {
  const options = usersOptions(process.argv.slice(2));
  if (options.help) return print(USERS_HELP);
  await withUsers(options);
}

async function withUsers(options: UsersOptions): Promise<void> {
  const { issuer } = readEnvironmentOrExit(process.env, { issuer: issuerSettings });
  const database = await openDatabase(process.env);
  const pool = createPool({ ...database, size: 1, applicationName: 'presence-users' });
  try {
    const users = new PostgresUserStore(pool, issuer.ownIssuer);
    const world = { users, hasher: new Argon2Hasher(), readPassword, print };
    await runUsersCommand(world, options);
  } catch (error) {
    throw error instanceof Unavailable ? unreachable(database.name, error) : error;
  } finally {
    await pool.end();
    await database.close();
  }
}

function unreachable(name: string, error: Unavailable): CommandRefused {
  const reason = error.cause instanceof Error ? `: ${messageOf(error.cause)}` : '.';
  return new CommandRefused(`${capitalised(name)} cannot be reached${reason}`);
}

function capitalised(text: string): string {
  return `${text.slice(0, 1).toUpperCase()}${text.slice(1)}`;
}

function print(text: string): void {
  process.stdout.write(text);
}

main().catch((error: unknown) => {
  process.stderr.write(`${error instanceof Error ? error.message : error}\n`);
  if (error instanceof TypeError) process.stderr.write(`\n${USERS_HELP}`);
  process.exitCode = 1;
});
