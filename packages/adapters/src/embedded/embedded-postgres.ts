import { mkdir, mkdtemp, rm } from 'node:fs/promises';
import { type AddressInfo, createServer, type Server, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { PGlite } from '@electric-sql/pglite';
import { PGLiteSocketHandler } from '@electric-sql/pglite-socket';
import type { Duration } from '@presence/domain';
import { BackendTurns } from './backend-turns.js';
import { DurableFiles, durableParameters } from './durable-files.js';
import { Housekeeping } from './housekeeping.js';

/** A PostgreSQL inside this process, which other processes of this account can reach too. */
export interface EmbeddedPostgres {
  /** For the very same adapter as a real server's. */
  readonly url: string;
  /** Ends all connections, writes everything down and closes. */
  close(): Promise<void>;
}

export interface EmbeddedOptions {
  /** Told of housekeeping that failed; it is tried again. */
  readonly onError?: (error: unknown) => void;
  /** After this long a connection that sits in a transaction and says nothing is ended. Default 15 s. */
  readonly idleTransaction?: Duration;
}

/** The longest path of a socket on macOS; Linux allows four more. */
const LONGEST_SOCKET_PATH = 103;
/** The name that clients make of host and port. */
const SOCKET = '.s.PGSQL.5432';

/** Log files that a checkpoint has made useless are kept for use again, up to this. */
const SMALL_LOG = ['-c', 'min_wal_size=32MB', '-c', 'max_wal_size=64MB'];

/**
 * Opens, or makes, a database in the folder `at`. Only one process may have it open at a time; whoever
 * calls this must see to it. Connections come through a socket in that folder, which nobody but this
 * account can enter, or, where its path is too long for one, in such a folder of the system's for
 * temporary files. On Windows they come through a port of 127.0.0.1, which knows no accounts.
 */
export async function startEmbeddedPostgres(
  at: string,
  { onError = () => {}, idleTransaction }: EmbeddedOptions = {},
): Promise<EmbeddedPostgres> {
  const folder = resolve(at);
  await mkdir(folder, { recursive: true, mode: 0o700 });
  const database = await PGlite.create({
    fs: new DurableFiles(join(folder, 'data')),
    startParams: [...durableParameters(PGlite.defaultStartParams), ...SMALL_LOG],
  });
  const connections = new Map<number, Socket>();
  const evict = (connection: number) => void connections.get(connection)?.destroy();
  const turns = new BackendTurns(database, evict, idleTransaction);
  const server = createServer((socket) => void serve(socket, turns, connections));
  const { url, leave } = await listen(server, folder);
  const housekeeping = new Housekeeping(url, onError);
  housekeeping.start();
  const close = async () => {
    await housekeeping.stop();
    turns.close();
    const closed = new Promise((done) => server.close(done));
    for (const socket of connections.values()) socket.destroy();
    await closed;
    await database.exec('CHECKPOINT');
    await database.close();
    await leave();
  };
  return { url, close };
}

async function serve(
  socket: Socket,
  turns: BackendTurns,
  connections: Map<number, Socket>,
): Promise<void> {
  const handler = new PGLiteSocketHandler({ queryQueue: turns.queue, closeOnDetach: true });
  connections.set(handler.handlerId, socket);
  socket.once('close', () => connections.delete(handler.handlerId));
  await handler.attach(socket);
}

interface Address {
  readonly url: string;
  /** Takes away what was made for it. */
  readonly leave: () => Promise<void>;
}

async function listen(server: Server, folder: string): Promise<Address> {
  if (process.platform === 'win32') {
    await listening(server, { host: '127.0.0.1', port: 0 });
    const { port } = server.address() as AddressInfo;
    return { url: `postgres://postgres@127.0.0.1:${port}/postgres`, leave: async () => {} };
  }
  const fits = isShort(folder);
  if (!fits && !isShort(join(tmpdir(), 'presence-XXXXXX'))) {
    throw new Error(`Neither ${folder} nor ${tmpdir()} is short enough for a socket: set TMPDIR.`);
  }
  const at = fits ? folder : await mkdtemp(join(tmpdir(), 'presence-'));
  const path = join(at, SOCKET);
  await rm(path, { force: true }); // Of a process that could not clean up.
  await listening(server, { path });
  const url = `postgres://postgres@localhost/postgres?host=${encodeURIComponent(at)}`;
  const leave = () => (fits ? Promise.resolve() : rm(at, { recursive: true, force: true }));
  return { url, leave };
}

function isShort(folder: string): boolean {
  return Buffer.byteLength(join(folder, SOCKET)) <= LONGEST_SOCKET_PATH;
}

function listening(server: Server, where: { host: string; port: number } | { path: string }) {
  return new Promise<void>((resolve, reject) => {
    server.once('error', reject);
    server.listen(where, () => {
      server.off('error', reject);
      resolve();
    });
  });
}
