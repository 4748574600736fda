import { Transform, type TransformCallback } from 'node:stream';

const FRAME_HEADER = 7;
const METHOD_FRAME = 1;
/** basic.ack, as class and method. */
const CONFIRM = 60 * 65_536 + 80;

/** What a broker says, without its confirmations: heartbeats and all else come through. */
export class WithheldConfirms extends Transform {
  #rest = Buffer.alloc(0);

  override _transform(chunk: Buffer, _encoding: string, done: TransformCallback): void {
    this.#rest = Buffer.concat([this.#rest, chunk]);
    for (let frame = this.#frame(); frame; frame = this.#frame()) {
      const isMethod = frame[0] === METHOD_FRAME;
      if (!isMethod || frame.readUInt32BE(FRAME_HEADER) !== CONFIRM) this.push(frame);
    }
    done();
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
