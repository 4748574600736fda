/** A private server of the tests, on ports of its own. */
export interface Server {
  /** Stays the same over `restart`. */
  readonly url: string;
  /** Of the server now running. */
  readonly pid: number;
  readonly running: boolean;
  /** kill -9; resolves once it is gone. */
  kill(): Promise<void>;
  /** Shuts it down in an orderly way; its data stays. */
  stop(): Promise<void>;
  /** Starts it again on the same data and port; stops it first where it runs. Resolves once it is ready. */
  restart(): Promise<void>;
  /** Ends it and removes its data. */
  dispose(): Promise<void>;
}
