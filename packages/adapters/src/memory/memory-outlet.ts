import { type Duration, type PresenceEvent, type Submission, Unavailable } from '@presence/domain';
import type { Batch } from '../publishing/batch-log.js';
import type { Outlet } from '../publishing/outlet.js';
import { encodeEvent } from '../wire/encode.js';
import { BATCH_KEY, eventKey } from '../wire/names.js';
import { decodeReply } from '../wire/reply.js';
import type { MemoryQueue } from './memory-queue.js';

/** Hands batches to the queue of the same process, which holds them at once. */
export class MemoryOutlet implements Outlet {
  readonly connected = true;
  readonly #queue: MemoryQueue;

  constructor(queue: MemoryQueue) {
    this.#queue = queue;
  }

  get ready(): boolean {
    return this.#queue.ready;
  }

  onReady(listener: () => void): void {
    this.#queue.onReady(listener);
  }

  async sendBatch({ body, progress }: Batch): Promise<void> {
    this.#queue.put({ routingKey: BATCH_KEY, body, progress });
  }

  /** Never `pending`: nothing that outlives this process is known to hold the event. */
  submit(event: PresenceEvent, timeout: Duration): Promise<Submission> {
    return new Promise((resolve, reject) => {
      const timer = setTimeout(() => reject(new Unavailable('broker')), timeout);
      const reply = (body: Buffer) => {
        clearTimeout(timer);
        resolve(decodeReply(body));
      };
      const body = Buffer.from(encodeEvent(event));
      this.#queue.put({ routingKey: eventKey(event.type), body, reply });
    });
  }
}
