import { Child } from './child.js';

export interface ProcessOptions {
  readonly args?: readonly string[];
  readonly cwd?: string;
  /** Added to PATH, HOME and the like of this process, without its presence settings. */
  readonly env?: Readonly<Record<string, string>>;
}

const INHERITED = ['PATH', 'HOME', 'TMPDIR', 'LANG', 'NODE_V8_COVERAGE', 'NODE_EXTRA_CA_CERTS'];

/** Runs a file with Node: `entry` is an absolute path of built code. */
export function startProcess(entry: string, options: ProcessOptions = {}): Child {
  return new Child(process.execPath, [entry, ...(options.args ?? [])], {
    ...(options.cwd === undefined ? {} : { cwd: options.cwd }),
    env: { ...inheritedEnvironment(), ...options.env },
  });
}

function inheritedEnvironment(): Record<string, string> {
  return Object.fromEntries(
    INHERITED.flatMap((name) => {
      const value = process.env[name];
      return value === undefined ? [] : [[name, value]];
    }),
  );
}
