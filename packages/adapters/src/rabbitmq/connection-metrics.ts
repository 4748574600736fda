/** What a connection tells whoever counts or logs. Each may be left out. */
export interface ConnectionMetrics {
  /** Everything is set up: the connection is in use. */
  ready?(connection: string): void;
  /** It was in use and is no more, or could not be set up; it tries again by itself. */
  lost?(connection: string, error: Error): void;
  /** The broker takes nothing (memory or disk alarm): `true`; or does again. */
  blocked?(connection: string, blocked: boolean): void;
}
