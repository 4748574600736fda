/** One variable, and what to do about it. */
export interface Fault {
  readonly name: string;
  /** A sentence or two that go on from the variable's name. Never holds the value of a secret. */
  readonly message: string;
}

/** The process cannot start with this environment. Put every fault right and start it again. */
export class FaultyEnvironment extends Error {
  override readonly name = 'FaultyEnvironment';
  constructor(readonly faults: readonly Fault[]) {
    const lines = faults.map(({ name, message }) => `  ${name} ${message}`);
    super(['The configuration cannot be used:', ...lines].join('\n'));
  }
}
