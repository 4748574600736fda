import { parseArgs } from 'node:util';
import { printable, printableJson } from '@presence/adapters/process';
import {
  isUserId,
  type PasswordHasher,
  type User,
  type UserId,
  UsernameTaken,
  type UserStore,
} from '@presence/domain';

export const USERS_HELP = `Usage: npm run users -- <command>

  add --username NAME [--email ADDRESS] [--admin]   add a user
  list [--json]                                     show all users
  remove --username NAME, or --id N                 remove a user; by id, one of another issuer, too
  set-password --username NAME                      give a user another password

A password is asked for; without a terminal it is the first line of standard input.
The users are those of DATABASE_URL, else of the embedded database in PRESENCE_DATA_DIR
(.presence), whether "npm start" is running on it or not.
`;

/** What was asked for cannot be done; the message says why. */
export class CommandRefused extends Error {
  override readonly name = 'CommandRefused';
}

export interface UsersWorld {
  readonly users: UserStore;
  readonly hasher: PasswordHasher;
  readPassword(): Promise<string>;
  print(text: string): void;
}

export interface UsersOptions {
  readonly command: string;
  readonly username: string | undefined;
  readonly id: string | undefined;
  readonly email: string | undefined;
  readonly admin: boolean;
  readonly json: boolean;
  readonly help: boolean;
}

const PAGE = 500;
const LONGEST_NAME = 150;

const COMMANDS: Readonly<
  Record<string, (world: UsersWorld, options: UsersOptions) => Promise<void>>
> = { add, list, remove, 'set-password': setPassword };

/** @throws TypeError, CommandRefused */
export function usersOptions(args: readonly string[]): UsersOptions {
  const { values, positionals } = parseArgs({
    args: [...args],
    allowPositionals: true,
    options: {
      username: { type: 'string' },
      id: { type: 'string' },
      email: { type: 'string' },
      admin: { type: 'boolean', default: false },
      json: { type: 'boolean', default: false },
      help: { type: 'boolean', short: 'h', default: false },
    },
  });
  const [command = '', ...rest] = positionals;
  if (rest.length > 0) throw new CommandRefused(`What is ${JSON.stringify(rest[0])} for?`);
  if (!values.help && !Object.hasOwn(COMMANDS, command)) {
    throw new CommandRefused(
      command === '' ? 'Say what to do.' : `There is no command ${JSON.stringify(command)}.`,
    );
  }
  const { username, id, email, ...flags } = values;
  if (id !== undefined && command !== 'remove') throw new CommandRefused('--id is for remove.');
  return { command, username, id, email, ...flags };
}

/** @throws CommandRefused, Unavailable */
export async function runUsersCommand(world: UsersWorld, options: UsersOptions): Promise<void> {
  await COMMANDS[options.command]?.(world, options);
}

async function add(world: UsersWorld, options: UsersOptions): Promise<void> {
  const username = nameOf(options);
  const { email } = options;
  if (email !== undefined && !/^[^\s@]+@[^\s@]+$/.test(email)) {
    throw new CommandRefused(`${JSON.stringify(email)} is no e-mail address.`);
  }
  const passwordHash = await world.hasher.hash(await world.readPassword());
  const role = options.admin ? 'admin' : 'user';
  try {
    const user = await world.users.add({ username, email: email ?? null, role, passwordHash });
    world.print(`Added ${described(user)}.\n`);
  } catch (error) {
    if (error instanceof UsernameTaken) throw new CommandRefused(error.message, { cause: error });
    throw error;
  }
}

async function list({ users, print }: UsersWorld, { json }: UsersOptions): Promise<void> {
  const all: User[] = [];
  for (let page = await users.list(0, PAGE); page.length > 0; ) {
    all.push(...page);
    page = await users.list(page.at(-1)!.id, PAGE);
  }
  if (json) print(`${printableJson(all)}\n`);
  else for (const user of all) print(`${described(user)}\n`);
}

async function remove({ users, print }: UsersWorld, options: UsersOptions): Promise<void> {
  const user = options.id === undefined ? nameOf(options) : idOf(options);
  if (!(await users.remove(user))) throw unknown(user);
  print(`Removed ${user}.\n`);
}

async function setPassword(world: UsersWorld, options: UsersOptions): Promise<void> {
  const username = nameOf(options);
  if ((await world.users.credentials(username)) === null) throw unknown(username);
  const hash = await world.hasher.hash(await world.readPassword());
  if (!(await world.users.setPassword(username, hash))) throw unknown(username);
  world.print(`${username} has another password.\n`);
}

function nameOf({ username }: UsersOptions): string {
  if (username === undefined || username.trim() === '') {
    throw new CommandRefused('Say who: --username NAME.');
  }
  if (username.length > LONGEST_NAME || username.includes('\0')) {
    throw new CommandRefused(`A username has at most ${LONGEST_NAME} characters, and no NUL.`);
  }
  return username;
}

function idOf({ id, username }: UsersOptions): UserId {
  if (username !== undefined) throw new CommandRefused('Say one of --username and --id.');
  const number = Number(id);
  if (!isUserId(number) || String(number) !== id) {
    throw new CommandRefused(`${JSON.stringify(id)} is no id.`);
  }
  return number;
}

function unknown(user: string | UserId): CommandRefused {
  if (typeof user === 'number') return new CommandRefused(`There is no user ${user}.`);
  return new CommandRefused(`There is no user ${JSON.stringify(user)} with a password.`);
}

function described({ id, username, email, role }: User): string {
  const line = `${id}  ${username}  ${email ?? '(no e-mail)'}  ${role}`;
  return printable(line); // Names come from tokens and other services, too.
}
