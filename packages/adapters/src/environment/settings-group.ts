import { type CleanedEnv, customCleanEnv } from 'envalid';
import { type Fault, FaultyEnvironment } from './faults.js';
import { type Environment, rawValues, type SettingSpecs } from './value-file.js';

/** Settings that belong together, and are read together. */
export interface SettingsGroup<Settings> {
  read(environment: Environment): Reading<Settings>;
}

interface Reading<Settings> {
  readonly faults: readonly Fault[];
  /** To be called only where there are no faults. */
  settings(): Settings;
}

/** A rule over several variables; it is asked only where each of them is right by itself. */
export interface Check<Specs extends SettingSpecs> {
  /** The variables it compares. The first one is named by the fault. */
  readonly of: readonly (keyof Specs & string)[];
  /** @returns what is wrong, as a sentence that goes on from the first variable's name. */
  readonly fault: (values: CleanedEnv<Specs>) => string | undefined;
}

/**
 * @param specs each variable's validator, with a `desc` that tells what to set it to: the fault
 *   of a missing one says it.
 * @param settings what the process gets, from the variables' values.
 */
export function settingsGroup<Specs extends SettingSpecs, Settings>(group: {
  specs: Specs;
  checks?: readonly Check<Specs>[];
  settings: (values: CleanedEnv<Specs>) => Settings;
}): SettingsGroup<Settings> {
  return {
    read(environment) {
      const { values, faults } = cleaned(environment, group.specs);
      const faulty = new Set(faults.map(({ name }) => name));
      for (const { of, fault } of group.checks ?? []) {
        const message = of.some((name) => faulty.has(name)) ? undefined : fault(values);
        if (message !== undefined) faults.push({ name: of[0] ?? '', message });
      }
      return { faults, settings: () => group.settings(values) };
    },
  };
}

/**
 * Reads all that a process is configured by, at once.
 * @throws FaultyEnvironment that lists every fault of every group.
 */
export function readEnvironment<Groups extends Record<string, SettingsGroup<unknown>>>(
  environment: Environment,
  groups: Groups,
): { [Name in keyof Groups]: ReturnType<ReturnType<Groups[Name]['read']>['settings']> } {
  const readings = Object.entries(groups).map(
    ([name, group]) => [name, group.read(environment)] as const,
  );
  const faults = distinct(readings.flatMap(([, reading]) => reading.faults));
  if (faults.length > 0) throw new FaultyEnvironment(faults);
  const settings = readings.map(([name, reading]) => [name, reading.settings()]);
  return Object.fromEntries(settings);
}

/** {@link readEnvironment} for a `main`: prints the faults and ends the process with code 2. */
export function readEnvironmentOrExit<Groups extends Record<string, SettingsGroup<unknown>>>(
  environment: Environment,
  groups: Groups,
): ReturnType<typeof readEnvironment<Groups>> {
  try {
    return readEnvironment(environment, groups);
  } catch (error) {
    if (!(error instanceof FaultyEnvironment)) throw error;
    process.stderr.write(`${error.message}\n`);
    process.exit(2);
  }
}

function cleaned<Specs extends SettingSpecs>(
  environment: Environment,
  specs: Specs,
): { values: CleanedEnv<Specs>; faults: Fault[] } {
  const { values: raw, faults } = rawValues(environment, specs);
  const unreadable = new Set(faults.map(({ name }) => name));
  let errors: Partial<Record<string, Error>> = {};
  const values: unknown = customCleanEnv(raw, specs, (clean) => clean, {
    reporter: (report) => {
      errors = report.errors as typeof errors;
    },
  });
  for (const [name, error] of Object.entries(errors)) {
    if (error !== undefined && !unreadable.has(name)) {
      faults.push({ name, message: messageOf(error) });
    }
  }
  return { values: values as CleanedEnv<Specs>, faults };
}

function messageOf(error: Error): string {
  return error.name === 'EnvMissingError' || error instanceof ReferenceError
    ? `is missing. Set it to ${error.message}.`
    : error.message;
}

/** A variable that two groups read has its fault told once. */
function distinct(faults: readonly Fault[]): Fault[] {
  const told = new Map(faults.map((fault) => [`${fault.name} ${fault.message}`, fault]));
  return [...told.values()];
}
