import type { PGlite } from '@electric-sql/pglite';
import type { PGLiteSocketHandlerOptions } from '@electric-sql/pglite-socket';
import type { Duration } from '@presence/domain';
import { ownStatement, parsedStatement, typeOf } from './statement-names.js';

/** What the socket handler asks of its queue; the library exports the type of its own alone. */
type HandlerQueue = PGLiteSocketHandlerOptions['queryQueue'];

interface Turn {
  readonly connection: number;
  run(): Promise<void>;
}

/** How long a connection may sit in a transaction, or without a Sync, and say nothing. */
const IDLE_TRANSACTION: Duration = 15_000;

/**
 * Lets many connections take turns on the one backend that PGlite is. The library's own queue
 * hands it over after every message: there two connections mix their Parse, Bind and Execute, and
 * know each other's prepared statements. Here a connection keeps the backend from its first
 * message until it is in sync and in no transaction, and statements are its own.
 */
export class BackendTurns {
  readonly #database: PGlite;
  /** Called with a connection that has sat in a transaction for too long; must close it. */
  readonly #evict: (connection: number) => void;
  readonly #idleTransaction: Duration;
  #waiting: Turn[] = [];
  #holder: number | null = null;
  #working = false;
  #closed = false;
  #patience: NodeJS.Timeout | undefined;
  readonly #statements = new Map<number, Set<string>>();

  constructor(
    database: PGlite,
    evict: (connection: number) => void,
    idleTransaction: Duration = IDLE_TRANSACTION,
  ) {
    this.#database = database;
    this.#evict = evict;
    this.#idleTransaction = idleTransaction;
  }

  /** As the handler takes it: it calls the three methods of that name. */
  get queue(): HandlerQueue {
    const methods: Pick<
      HandlerQueue,
      'enqueue' | 'clearQueueForHandler' | 'clearTransactionIfNeeded'
    > = {
      enqueue: (connection, message, onData) => this.#enqueue(connection, message, onData),
      clearQueueForHandler: (connection) => this.#forget(connection),
      clearTransactionIfNeeded: (connection) => this.#leave(connection),
    };
    return methods as HandlerQueue;
  }

  /** Nothing reaches the backend any more. */
  close(): void {
    this.#closed = true;
    this.#waiting = [];
    clearTimeout(this.#patience);
  }

  #enqueue(
    connection: number,
    message: Uint8Array,
    onData: (data: Uint8Array) => void,
  ): Promise<number> {
    const type = typeOf(message);
    if (type === 'X') return Promise.resolve(0); // Its socket ends next; the backend goes on.
    return new Promise((resolve, reject) => {
      this.#wait({
        connection,
        run: async () => {
          try {
            resolve(await this.#send(this.#own(connection, message), onData));
          } catch (error) {
            reject(error);
          }
          if (endsTurn(type) && !this.#database.isInTransaction()) this.#holder = null;
        },
      });
    });
  }

  #forget(connection: number): void {
    this.#waiting = this.#waiting.filter((turn) => turn.connection !== connection);
  }

  /** A connection is gone: what it began is undone, and its statements go. */
  #leave(connection: number): Promise<void> {
    if (this.#closed) return Promise.resolve();
    return new Promise((resolve, reject) => {
      this.#wait({
        connection,
        run: () => this.#clear(connection).then(resolve, reject),
      });
    });
  }

  async #clear(connection: number): Promise<void> {
    await this.#send(SYNC, discard);
    if (this.#database.isInTransaction()) await this.#send(query('ROLLBACK'), discard);
    for (const name of this.#statements.get(connection) ?? []) {
      await this.#send(query(`DEALLOCATE "${name.replaceAll('"', '""')}"`), discard);
    }
    this.#statements.delete(connection);
    this.#holder = null;
  }

  #wait(turn: Turn): void {
    if (this.#closed) return;
    this.#waiting.push(turn);
    void this.#work();
  }

  async #work(): Promise<void> {
    if (this.#working) return;
    this.#working = true;
    for (let turn = this.#next(); turn !== undefined; turn = this.#next()) {
      clearTimeout(this.#patience);
      this.#patience = undefined;
      this.#holder = turn.connection;
      await turn.run();
    }
    this.#working = false;
    if (this.#holder !== null) this.#watch(this.#holder);
  }

  #next(): Turn | undefined {
    const at =
      this.#holder === null
        ? 0
        : this.#waiting.findIndex(({ connection }) => connection === this.#holder);
    return at < 0 ? undefined : this.#waiting.splice(at, 1)[0];
  }

  /** From its own last word on, however much others say meanwhile. */
  #watch(holder: number): void {
    this.#patience ??= setTimeout(() => this.#evict(holder), this.#idleTransaction).unref();
  }

  #own(connection: number, message: Uint8Array): Uint8Array {
    const own = ownStatement(message, `c${connection}:`);
    const statement = parsedStatement(own);
    if (statement) this.#statementsOf(connection).add(statement);
    return own;
  }

  #statementsOf(connection: number): Set<string> {
    const statements = this.#statements.get(connection) ?? new Set();
    this.#statements.set(connection, statements);
    return statements;
  }

  /** @returns how many bytes came back. */
  async #send(message: Uint8Array, onData: (data: Uint8Array) => void): Promise<number> {
    let size = 0;
    await this.#database.runExclusive(() =>
      this.#database.execProtocolRawStream(message, {
        onRawData: (data) => {
          size += data.length;
          onData(data);
        },
      }),
    );
    return size;
  }
}

/** After Sync, a simple query, a function call or the start-up message the backend is in sync. */
function endsTurn(type: string): boolean {
  return type === 'S' || type === 'Q' || type === 'F' || type === '\u0000';
}

const SYNC = Uint8Array.from([0x53, 0, 0, 0, 4]);

function query(sql: string): Uint8Array {
  const message = Buffer.alloc(1 + 4 + Buffer.byteLength(sql) + 1);
  message.write('Q');
  message.writeInt32BE(message.length - 1, 1);
  message.write(sql, 5);
  return message;
}

function discard(): void {
  // Nobody is left to read the answer.
}
