import { setFlagsFromString } from 'node:v8';

/**
 * Has V8 collect once the heap has grown by a fifth since the last full collection. Left alone it
 * lets the heap of a process that remembers much grow to a multiple, and gives none of the room
 * back while the process is busy: an API with 100,000 tokens held 232 MB after 75 s of 3,333
 * heartbeats a second, now 201. There is a full collection in 35 s: some 90 ms of the program's
 * time, of which 20 to 55 in one piece. The standalone does without: what it has to remember is little.
 */
export function keepHeapSmall(): void {
  setFlagsFromString('--heap-growing-percent=20');
}

/**
 * Has V8 collect what has just been made on the program's own thread. It would share that with
 * threads that it then waits for, though little of what we make outlives a request: a collection at
 * 5,000 heartbeats a second takes 0.66 ms instead of 1.0 (medians, two processors that are shared),
 * and a heartbeat at full load 0.94 of the processor time (median of 5 pairs of 6 s).
 */
export function collectAlone(): void {
  setFlagsFromString('--no-parallel-scavenge');
}
