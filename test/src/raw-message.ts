import { once } from 'node:events';
import { connect, type Socket } from 'node:net';

/** A message of a client that writes its header table itself, in whatever bytes. */
export interface RawMessage {
  readonly exchange: string;
  readonly routingKey: string;
  readonly body: Buffer;
  /** The fields of the table, encoded; without the length of the whole. */
  readonly headers: Buffer;
}

const FRAME_METHOD = 1;
const FRAME_HEADER = 2;
const FRAME_BODY = 3;
const FRAME_END = 0xce;
/** RabbitMQ's default, and the longest a frame of ours may be. */
const FRAME_MAX = 131_072;
/** Class and method in one, as AMQP 0-9-1 numbers them. */
const START = method(10, 10);
const TUNE = method(10, 30);
const OPEN_OK = method(10, 41);
const CHANNEL_OPEN_OK = method(20, 11);
const CONFIRM_SELECT_OK = method(85, 11);
const ACK = method(60, 80);
const CLOSE_OK = method(10, 51);
/** Content type, headers, delivery mode. */
const PROPERTIES = (1 << 15) | (1 << 13) | (1 << 12);
const PERSISTENT = 2;
/** What no queue takes comes back, before it is confirmed. */
const MANDATORY = 1;
/** For each of the broker's answers. */
const TIMEOUT = 10_000;

/**
 * Publishes what amqplib could not, on a connection of its own, and has it confirmed.
 * @param url of the broker, without TLS
 * @throws with the frame that came instead of the confirmation
 */
export async function publishRaw(url: string, message: RawMessage): Promise<void> {
  const { hostname, port, username, password, pathname } = new URL(url);
  const socket = connect(Number(port || 5672), hostname);
  try {
    const expect = methods(socket);
    const login = [username, password].map((part) => `\0${decodeURIComponent(part)}`).join('');
    const vhost = decodeURIComponent(pathname.slice(1)) || '/';
    socket.write(Buffer.from('AMQP\0\0\x09\x01', 'latin1'));
    await expect(START);
    const startOk = [u32(0), short('PLAIN'), long(Buffer.from(login)), short('en_US')];
    socket.write(frame(FRAME_METHOD, 0, u32(method(10, 11)), ...startOk));
    await expect(TUNE);
    const tuneOk = [u16(1), u32(FRAME_MAX), u16(0)];
    socket.write(frame(FRAME_METHOD, 0, u32(method(10, 31)), ...tuneOk));
    socket.write(frame(FRAME_METHOD, 0, u32(method(10, 40)), short(vhost), short(''), u8(0)));
    await expect(OPEN_OK);
    socket.write(frame(FRAME_METHOD, 1, u32(method(20, 10)), short('')));
    await expect(CHANNEL_OPEN_OK);
    socket.write(frame(FRAME_METHOD, 1, u32(method(85, 10)), u8(0)));
    await expect(CONFIRM_SELECT_OK);
    for (const each of frames(message)) socket.write(each);
    await expect(ACK);
    const close = [u16(200), short(''), u32(0)];
    socket.write(frame(FRAME_METHOD, 0, u32(method(10, 50)), ...close));
    await expect(CLOSE_OK);
  } finally {
    socket.destroy();
  }
}

/** The fields of a table with one header `x`, `depth` tables in one another, or arrays. */
export function nestedHeaders(kind: 'table' | 'array', depth: number): Buffer {
  const level = kind === 'table' ? Buffer.from('F\0\0\0\0\x01x') : Buffer.from('A\0\0\0\0');
  const fields = Buffer.concat([short('x'), ...Array(depth).fill(level), Buffer.from('V')]);
  for (let at = 2; at + level.length < fields.length; at += level.length) {
    fields.writeUInt32BE(fields.length - at - 5, at + 1);
  }
  return fields;
}

function frames({ exchange, routingKey, body, headers }: RawMessage): Buffer[] {
  const publish = [u16(0), short(exchange), short(routingKey), u8(MANDATORY)];
  const size = Buffer.alloc(8);
  size.writeBigUInt64BE(BigInt(body.length));
  const values = [short('application/json'), long(headers), u8(PERSISTENT)];
  return [
    frame(FRAME_METHOD, 1, u32(method(60, 40)), ...publish),
    frame(FRAME_HEADER, 1, u16(60), u16(0), size, u16(PROPERTIES), ...values),
    frame(FRAME_BODY, 1, body),
  ];
}

/**
 * @returns waits for the next method, and throws where it is another one, or does not come; the
 * error says which it was, since a broker that hangs up says nothing
 */
function methods(socket: Socket): (wanted: number) => Promise<void> {
  let rest = Buffer.alloc(0);
  const ended = new AbortController();
  socket.once('error', (error) => ended.abort(error));
  socket.once('close', () => ended.abort(new Error('The broker has hung up')));
  socket.on('data', (chunk: Buffer) => {
    rest = Buffer.concat([rest, chunk]);
  });
  return async (wanted) => {
    const name = `method ${wanted >> 16}.${wanted & 0xffff}`;
    const late = new Error(`The broker took longer than ${TIMEOUT} ms for ${name}`);
    const patience = setTimeout(() => ended.abort(late), TIMEOUT);
    try {
      while (rest.length < 7 || rest.length < rest.readUInt32BE(3) + 8) {
        await once(socket, 'data', { signal: ended.signal });
      }
    } catch (error) {
      throw new Error(`Waiting for ${name}`, { cause: ended.signal.reason ?? error });
    } finally {
      clearTimeout(patience);
    }
    const end = rest.readUInt32BE(3) + 8;
    const payload = rest.subarray(7, end - 1);
    rest = rest.subarray(end);
    if (payload.readUInt32BE(0) !== wanted) {
      throw new Error(`The broker said ${payload.toString('latin1')}, where ${name} was due`);
    }
  };
}

function frame(type: number, channel: number, ...parts: readonly Buffer[]): Buffer {
  const payload = Buffer.concat(parts);
  return Buffer.concat([u8(type), u16(channel), long(payload), u8(FRAME_END)]);
}

function method(classId: number, methodId: number): number {
  return classId * 0x10000 + methodId;
}

function short(text: string): Buffer {
  const bytes = Buffer.from(text);
  return Buffer.concat([u8(bytes.length), bytes]);
}

function long(bytes: Buffer): Buffer {
  return Buffer.concat([u32(bytes.length), bytes]);
}

function u8(value: number): Buffer {
  return Buffer.of(value);
}

function u16(value: number): Buffer {
  const bytes = Buffer.alloc(2);
  bytes.writeUInt16BE(value);
  return bytes;
}

function u32(value: number): Buffer {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32BE(value);
  return bytes;
}
