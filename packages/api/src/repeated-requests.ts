import type { IncomingMessage, Server, ServerResponse } from 'node:http';
import type { Socket } from 'node:net';

/** A longer request is parsed each time: how long one may be is for the parser to say. */
const MAX_BYTES = 8_192;
const END_OF_HEAD = '\r\n\r\n';
/** Half an end of line: what is meant by it is for the parser to say. */
const STRAY = /\r(?!\n)|(?<!\r)\n/;

/**
 * How many patterns may be learnt in a row without one of them coming again. Where all differ, a
 * heartbeat costs 24.2 µs, and 22.5 if Node read from the socket without a listener; where they
 * repeat, 17.3 (CPU of the API at full load, medians of 6 and 3 runs of 6 s).
 */
const PATIENCE = 8;

/**
 * Answers one more request, of this token and otherwise the same.
 * @returns whether it has; if not, nothing has been done
 */
export type Repeat = (token: string, socket: Socket) => boolean;

/** The bytes of a request before and after its token. */
interface Pattern {
  readonly prefix: Buffer;
  readonly suffix: Buffer;
  readonly repeat: Repeat;
}

/**
 * Whoever keeps a connection to send heartbeats sends the same bytes each time, but for the token.
 * What these bytes mean Node's parser has said once; while they repeat, it is not asked again, and
 * `http.server.request.start` is not published.
 *
 * Nothing is parsed here. Bytes are taken for a repetition only where a request begins, while no
 * answer is pending, and where they are those of a request that was parsed, with only a token in
 * the token's place. All else goes to the parser, as if this were not here.
 */
export class RepeatedRequests {
  readonly #connections = new WeakMap<Socket, Connection>();

  /** From now on, on each new connection. */
  attach(server: Server): void {
    server.on('connection', (socket: Socket) => {
      const connection = Connection.takeOver(socket);
      if (connection !== null) this.#connections.set(socket, connection);
    });
  }

  /** To be told of every request, as soon as its head has been parsed. */
  noteParsed(request: IncomingMessage): void {
    this.#connections.get(request.socket)?.noteParsed(request);
  }

  /** @param response written at once, as `repeat` would write it for another token */
  noteAnswered(request: IncomingMessage, response: ServerResponse, repeat: Repeat): void {
    this.#connections.get(request.socket)?.noteAnswered(request, response, repeat);
  }
}

type Parse = (chunk: Buffer) => void;

/** Node takes the parser off a socket that is done with HTTP, and gives it to another one. */
type HttpSocket = Socket & { readonly parser?: object | null };

class Connection {
  readonly #socket: HttpSocket;
  readonly #parse: Parse;
  #pattern: Pattern | undefined;
  #learntInVain = 0;
  /** Whether the last request was one like the pattern, and is answered. */
  #repeats = false;
  /**
   * How many bytes the request under way still lacks. `null`: not known for certain, as after one
   * whose head came in two, or two that came in one. It stays that; all is parsed from then on.
   */
  #lacking: number | null = 0;
  /** What is being parsed, where a request begins with it. */
  #chunk: Buffer | null = null;
  /** The one under way: the last whose head was parsed. */
  #request: IncomingMessage | undefined;

  /**
   * Takes the place of the parser's listener, and hands on to it.
   * @returns `null` where Node does not do it that way: everything is parsed then
   */
  static takeOver(socket: HttpSocket): Connection | null {
    const [parse, ...others] = socket.listeners('data') as Parse[];
    if (parse === undefined || others.length > 0 || !socket.parser) return null;
    socket.off('data', parse);
    return new Connection(socket, parse);
  }

  private constructor(socket: HttpSocket, parse: Parse) {
    this.#socket = socket;
    this.#parse = parse;
    socket.on('data', (chunk: Buffer) => this.#receive(chunk));
  }

  noteParsed(request: IncomingMessage): void {
    this.#request = request;
  }

  noteAnswered(request: IncomingMessage, response: ServerResponse, repeat: Repeat): void {
    const chunk = this.#chunk;
    // A response has no socket yet where an earlier one is still to be written.
    if (chunk === null || response.socket !== this.#socket) return;
    const { authorization = '' } = request.headers;
    const token = authorization.slice(authorization.lastIndexOf(' ') + 1);
    if (this.#tokenIn(chunk) !== token) this.#learn(chunk, token, repeat);
    this.#repeats = this.#pattern !== undefined;
  }

  #learn(chunk: Buffer, token: string, repeat: Repeat): void {
    const parts = around(token, chunk);
    this.#pattern = parts && { ...parts, repeat };
    this.#learntInVain++;
  }

  #receive(chunk: Buffer): void {
    if (this.#repeats && this.#hasRepeated(chunk)) return;
    this.#repeats = false;
    const headEnd = this.#lacking === 0 ? headLength(chunk) : null;
    this.#chunk = headEnd === null ? null : chunk;
    if (this.#socket.parser !== null) this.#parse(chunk);
    this.#chunk = null;
    this.#lacking = this.#stillLacking(chunk, headEnd);
    // A proxy in front may add to each request what is its own.
    if (this.#learntInVain > PATIENCE) this.#lacking = null;
    this.#repeats &&= this.#lacking === 0;
    if (!this.#lacking) this.#request = undefined;
  }

  /** Counted here and confirmed by the parser, which alone knows all that a head says. */
  #stillLacking(chunk: Buffer, headEnd: number | null): number | null {
    if (this.#request === undefined) return null;
    const before = headEnd === null ? this.#lacking : headEnd + bodyLength(this.#request);
    if (before === null || before < chunk.length) return null;
    const lacking = before - chunk.length;
    return this.#request.complete === (lacking === 0) ? lacking : null;
  }

  #hasRepeated(chunk: Buffer): boolean {
    const token = this.#tokenIn(chunk);
    // Who does not take its answers is the server's to deal with.
    if (token === null || this.#socket.writableLength > 0 || !this.#socket.writable) return false;
    const has = this.#pattern!.repeat(token, this.#socket);
    if (has) this.#learntInVain = 0;
    return has;
  }

  /** What stands in the token's place, if the rest is the pattern. */
  #tokenIn(chunk: Buffer): string | null {
    if (this.#pattern === undefined || chunk.length > MAX_BYTES) return null;
    const { prefix, suffix } = this.#pattern;
    const end = chunk.length - suffix.length;
    const isSame =
      end > prefix.length &&
      prefix.compare(chunk, 0, prefix.length) === 0 &&
      suffix.compare(chunk, end) === 0;
    return isSame ? chunk.toString('latin1', prefix.length, end) : null;
  }
}

/** Where a request begins: how long its head is; `null` where that is not plain to see. */
function headLength(chunk: Buffer): number | null {
  const at = chunk.indexOf(END_OF_HEAD);
  if (at === -1 || at > MAX_BYTES) return null;
  return STRAY.test(chunk.toString('latin1', 0, at)) ? null : at + END_OF_HEAD.length;
}

/** As far as its headers say: that of a chunked body is nowhere to be read. */
function bodyLength({ headers }: IncomingMessage): number {
  return Number(headers['content-length'] ?? 0);
}

/**
 * What stands before and after the token, without it: tokens are not kept. In memory of its own:
 * a slice would keep the whole chunk.
 * @returns `undefined` where it cannot be told which of the bytes are the token
 */
function around(token: string, chunk: Buffer): Pick<Pattern, 'prefix' | 'suffix'> | undefined {
  const at = chunk.indexOf(token, 0, 'latin1');
  if (at === -1 || chunk.indexOf(token, at + 1, 'latin1') !== -1) return undefined;
  const suffixAt = at + token.length;
  const bytes = Buffer.allocUnsafeSlow(chunk.length - token.length);
  chunk.copy(bytes, 0, 0, at);
  chunk.copy(bytes, at, suffixAt);
  return { prefix: bytes.subarray(0, at), suffix: bytes.subarray(at) };
}
