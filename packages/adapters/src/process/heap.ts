import { setFlagsFromString } from 'node:v8';

/**
 * Has V8 collect once a fifth of what it holds is garbage. Left alone it lets the heap of a process
 * that remembers much grow to a multiple, and never gives the room back while the process is busy:
 * an API with 100,000 tokens then held 232 MB, now 201. A full collection has 60 ms to do, most of
 * it beside the program; at 3,333 heartbeats a second there is one in 35 s. To be called first.
 */
export function keepHeapSmall(): void {
  setFlagsFromString('--heap-growing-percent=20');
}
