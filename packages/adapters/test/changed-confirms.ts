import { Transform, type TransformCallback } from 'node:stream';

const FRAME_HEADER = 7;
const METHOD_FRAME = 1;
/** basic.ack and basic.nack, as class and method; what follows has the same form. */
const CONFIRM = 60 * 65_536 + 80;
const REFUSE = 60 * 65_536 + 120;

/** What a broker says, but for its confirmations: heartbeats and all else come through. */
export class ChangedConfirms extends Transform {
  readonly #become: 'nothing' | 'refusals';
  #rest = Buffer.alloc(0);

  constructor(become: 'nothing' | 'refusals') {
    super();
    this.#become = become;
  }

  override _transform(chunk: Buffer, _encoding: string, done: TransformCallback): void {
    this.#rest = Buffer.concat([this.#rest, chunk]);
    for (let frame = this.#frame(); frame; frame = this.#frame()) this.#pass(frame);
    done();
  }

  #pass(frame: Buffer): void {
    const isMethod = frame[0] === METHOD_FRAME;
    const isConfirm = isMethod && frame.readUInt32BE(FRAME_HEADER) === CONFIRM;
    if (isConfirm && this.#become === 'nothing') return;
    if (isConfirm) frame.writeUInt32BE(REFUSE, FRAME_HEADER);
    this.push(frame);
  }

  #frame(): Buffer | undefined {
    if (this.#rest.length < FRAME_HEADER) return undefined;
    const size = FRAME_HEADER + this.#rest.readUInt32BE(3) + 1;
    if (this.#rest.length < size) return undefined;
    const frame = this.#rest.subarray(0, size);
    this.#rest = this.#rest.subarray(size);
    return frame;
  }
}
