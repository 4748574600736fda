import { connect, type Socket } from 'node:net';

/**
 * @param status 0 where no answer came, or none that is understood
 * @param body until the call returns: what it lies in is read into again
 */
export type Answered = (status: number, body: Buffer) => void;

interface Waiting {
  readonly request: string | Buffer;
  readonly answered: Answered;
}

export interface Request {
  readonly method: string;
  readonly url: URL;
  readonly token: string;
  readonly body?: unknown;
}

/** As wrk and autocannon have it: what takes longer has failed, and is not waited for. */
const TIMEOUT = 10_000;
const END_OF_HEAD = '\r\n\r\n';
const NOTHING = Buffer.alloc(0);
/** Of all connections: each reads what has come before another has its turn. */
const READ = Buffer.alloc(65_536);

/** A request as it goes over the wire. */
export function requestText({ method, url, token, body }: Request): string {
  const text = body === undefined ? '' : JSON.stringify(body);
  const lines = [
    `${method} ${url.pathname}${url.search} HTTP/1.1`,
    `Host: ${url.host}`,
    `Authorization: Bearer ${token}`,
    ...(text === '' ? [] : ['Content-Type: application/json']),
    ...(method === 'GET' ? [] : [`Content-Length: ${Buffer.byteLength(text)}`]),
  ];
  return lines.join('\r\n') + END_OF_HEAD + text;
}

/**
 * Requests over connections that are kept, one on its way on each, and written as they stand. It
 * understands only what is measured here: answers that say how long they are. undici, which
 * understands all, took 80 µs of the processor a request, where the API that it measured took 66.
 */
export class Connections {
  readonly #port: number;
  readonly #host: string;
  readonly #most: number;
  readonly #all = new Set<Connection>();
  readonly #free: Connection[] = [];
  #waiting: Waiting[] = [];
  #first = 0;
  readonly #timeout: number;
  readonly #looks: NodeJS.Timeout;

  /**
   * @param most how many connections; more requests than these wait for their turn
   * @param timeout milliseconds after which no answer is waited for any more, or a tenth more
   */
  constructor(
    { hostname, port }: URL,
    most: number = Number.POSITIVE_INFINITY,
    timeout: number = TIMEOUT,
  ) {
    this.#host = hostname;
    this.#port = Number(port);
    this.#most = most;
    this.#timeout = timeout;
    this.#looks = setInterval(() => this.#giveUp(), timeout / 10).unref();
  }

  send(request: string | Buffer, answered: Answered): void {
    const connection = this.#free.pop() ?? this.#another();
    if (connection === undefined) this.#waiting.push({ request, answered });
    else connection.send(request, answered);
  }

  /** What has not been answered never will be. */
  close(): void {
    clearInterval(this.#looks);
    this.#waiting = [];
    for (const connection of this.#all) connection.close();
  }

  #another(): Connection | undefined {
    if (this.#all.size >= this.#most) return undefined;
    const connection = new Connection(this.#host, this.#port, {
      free: () => this.#next(connection),
      gone: () => this.#lose(connection),
    });
    this.#all.add(connection);
    return connection;
  }

  #next(connection: Connection): void {
    const waiting = this.#shift();
    if (waiting === undefined) this.#free.push(connection);
    else connection.send(waiting.request, waiting.answered);
  }

  #lose(connection: Connection): void {
    this.#all.delete(connection);
    const at = this.#free.indexOf(connection);
    if (at !== -1) this.#free.splice(at, 1);
    const waiting = this.#shift();
    if (waiting !== undefined) this.send(waiting.request, waiting.answered);
  }

  /** Thousands may wait where a server stands still: none of them is moved to take one. */
  #shift(): Waiting | undefined {
    const waiting = this.#waiting[this.#first++];
    if (waiting !== undefined) return waiting;
    this.#waiting = [];
    this.#first = 0;
    return undefined;
  }

  #giveUp(): void {
    const latest = performance.now() - this.#timeout;
    for (const connection of this.#all) connection.giveUp(latest);
  }
}

/** Its owner is told when it may be used again, and when it is gone. */
interface Owner {
  free(): void;
  gone(): void;
}

class Connection {
  readonly #socket: Socket;
  readonly #owner: Owner;
  #answered: Answered | undefined;
  #sentAt = 0;
  /** What has come of an answer that is not all there. */
  #begun: Buffer | undefined;

  constructor(host: string, port: number, owner: Owner) {
    this.#owner = owner;
    const callback = (size: number) => {
      if (this.#answered === undefined)
        this.close(); // Nobody asked.
      else this.#receive(READ.subarray(0, size));
      return true;
    };
    const socket = connect({ host, port, noDelay: true, onread: { buffer: READ, callback } });
    socket.on('error', () => {}); // 'close' follows.
    socket.on('close', () => this.#end());
    this.#socket = socket;
  }

  send(request: string | Buffer, answered: Answered): void {
    this.#answered = answered;
    this.#sentAt = performance.now();
    this.#socket.write(request);
  }

  giveUp(latest: number): void {
    if (this.#answered !== undefined && this.#sentAt < latest) this.#socket.destroy();
  }

  close(): void {
    this.#answered = undefined;
    this.#socket.destroy();
  }

  #receive(chunk: Buffer): void {
    const bytes = this.#begun === undefined ? chunk : Buffer.concat([this.#begun, chunk]);
    const headEnd = bytes.indexOf(END_OF_HEAD);
    const head = headEnd === -1 ? undefined : bytes.toString('latin1', 0, headEnd);
    const bodyAt = headEnd + END_OF_HEAD.length;
    const end = bodyAt + (head === undefined ? Number.POSITIVE_INFINITY : bodyLength(head));
    this.#begun = bytes.length < end ? Buffer.from(bytes) : undefined;
    if (head === undefined || this.#begun !== undefined) return;
    if (Number.isNaN(end)) this.#fail(bytes);
    else this.#take(head, bytes.subarray(bodyAt, end));
  }

  #take(head: string, body: Buffer): void {
    this.#conclude(statusOf(head), body);
    if (/\r\nconnection: *close/i.test(head)) this.#socket.destroy();
    else this.#owner.free();
  }

  /** Where an answer ends is not known. @param answer what has come of it */
  #fail(answer: Buffer): void {
    this.#conclude(0, answer);
    this.#socket.destroy();
  }

  #end(): void {
    this.#conclude(0, NOTHING);
    this.#owner.gone();
  }

  #conclude(status: number, body: Buffer): void {
    const answered = this.#answered;
    this.#answered = undefined;
    answered?.(status, body);
  }
}

function statusOf(head: string): number {
  return Number(head.slice('HTTP/1.1 '.length, 'HTTP/1.1 200'.length));
}

/** `NaN` where the answer does not say. */
function bodyLength(head: string): number {
  return Number(/\r\ncontent-length: *(\d+)/i.exec(head)?.[1] ?? Number.NaN);
}
