import { readFileSync } from 'node:fs';
import type { ValidatorSpec } from 'envalid';
import type { Fault } from './faults.js';

export type Environment = Readonly<Record<string, string | undefined>>;

export type SettingSpecs = Record<string, ValidatorSpec<unknown>>;

interface FromFile {
  readonly fromFile: true;
}

/** Lets a setting NAME also be given as NAME_FILE, the path of a file that holds it. */
export function orFile<Spec extends ValidatorSpec<unknown>>(spec: Spec): Spec & FromFile {
  return { ...spec, fromFile: true };
}

/**
 * What the variables in `specs` are set to: files read where NAME_FILE names one, and an empty
 * value taken for none, as compose files and shells produce them.
 */
export function rawValues(
  environment: Environment,
  specs: SettingSpecs,
): { values: Record<string, string>; faults: Fault[] } {
  const values: Record<string, string> = {};
  const faults: Fault[] = [];
  for (const [name, spec] of Object.entries(specs)) {
    try {
      const value = 'fromFile' in spec ? valueOrFile(environment, name) : environment[name];
      if (value) values[name] = value;
    } catch (error) {
      faults.push({ name, message: (error as Error).message });
    }
  }
  return { values, faults };
}

function valueOrFile(environment: Environment, name: string): string | undefined {
  const path = environment[`${name}_FILE`];
  if (!path) return environment[name];
  if (environment[name]) {
    throw new Error(`and ${name}_FILE are both set. Set only one of them.`);
  }
  const value = contents(path, `(through ${name}_FILE)`).replace(/\r?\n$/, '');
  if (value === '') throw new Error(`is empty in the file that ${name}_FILE names: ${path}.`);
  return value;
}

/** The text of a file. @throws Error that says what is wrong with `path`. */
export function contents(path: string, role = ''): string {
  try {
    return readFileSync(path, 'utf8');
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    const named = role === '' ? 'names' : `${role} names`;
    throw new Error(`${named} a file that cannot be read (${code}): ${path}.`);
  }
}
