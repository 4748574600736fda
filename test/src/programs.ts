import { accessSync, constants, readdirSync } from 'node:fs';
import { delimiter, dirname, join } from 'node:path';

/** Folders that packages put PostgreSQL into, outside of PATH; `*` is a version. */
const POSTGRES_FOLDERS = [
  '/usr/lib/postgresql/*/bin',
  '/usr/pgsql-*/bin',
  '/opt/homebrew/opt/postgresql@*/bin',
  '/usr/local/opt/postgresql@*/bin',
  '/Applications/Postgres.app/Contents/Versions/*/bin',
];

/** Debian's command on PATH runs as the machine's own broker; these are the programs behind it. */
const RABBIT_FOLDERS = [
  '/usr/lib/rabbitmq/lib/rabbitmq_server-*/sbin',
  '/opt/rabbitmq/sbin',
  '/opt/homebrew/opt/rabbitmq/sbin',
  '/usr/local/opt/rabbitmq/sbin',
];

/** @returns the folder of `postgres` and `initdb`, the newest version of several. */
export function findPostgres(): string | undefined {
  return [...POSTGRES_FOLDERS.flatMap(expand), ...path()].find(
    (folder) => isProgram(join(folder, 'postgres')) && isProgram(join(folder, 'initdb')),
  );
}

/** @returns the folder of `rabbitmq-server` and `rabbitmqctl`. */
export function findRabbit(): string | undefined {
  return [...RABBIT_FOLDERS.flatMap(expand), ...path()].find(
    (folder) =>
      isProgram(join(folder, 'rabbitmq-server')) && isProgram(join(folder, 'rabbitmqctl')),
  );
}

export function findProgram(name: string): string | undefined {
  return path()
    .map((folder) => join(folder, name))
    .find(isProgram);
}

function path(): string[] {
  return (process.env.PATH ?? '').split(delimiter).filter((folder) => folder !== '');
}

/** Replaces the part of a path that holds a star, by all that is there, the highest first. */
function expand(pattern: string): string[] {
  const parts = pattern.split('/');
  const at = parts.findIndex((part) => part.includes('*'));
  if (at < 0) return [pattern];
  const parent = parts.slice(0, at).join('/');
  const [start, end] = parts[at]!.split('*') as [string, string];
  return list(parent)
    .filter((name) => name.startsWith(start) && name.endsWith(end))
    .sort((a, b) => b.localeCompare(a, 'en', { numeric: true }))
    .map((name) => join(parent, name, ...parts.slice(at + 1)));
}

function list(folder: string): string[] {
  try {
    return readdirSync(folder);
  } catch {
    return []; // Another kind of machine.
  }
}

function isProgram(file: string): boolean {
  try {
    accessSync(file, constants.X_OK);
    return dirname(file) !== '.';
  } catch {
    return false;
  }
}
