import type { Figure } from './figure.js';
import type { LoadGenerator } from './load.js';
import type { Stage } from './stage.js';

/** One thing that is measured, on a stage of its own that holds nothing yet. */
export interface Measurement {
  readonly name: string;
  readonly about: string;
  run(bench: Bench): Promise<readonly Figure[]>;
}

/** What a measurement has at hand. */
export interface Bench {
  readonly stage: Stage;
  readonly generator: LoadGenerator;
  /** A look: shorter rounds, fewer of them, fewer people. */
  readonly quick: boolean;
  /** How many users have tokens. */
  readonly people: number;
  /** Says how far it is. */
  readonly say: (text: string) => void;
}
