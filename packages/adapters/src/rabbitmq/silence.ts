import type { Duration } from '@presence/domain';

const LOOKS_PER_HEARTBEAT = 5;
/** The broker itself lets one whole heartbeat pass at the most. */
const SILENT_LOOKS = 8;

/**
 * Tells when nothing has come on a socket for well over one heartbeat, and under two; once. amqplib looks every
 * whole heartbeat, and gives up at the second look that finds nothing: after up to three.
 *
 * Looks are counted, not time: when the process itself stood still, what came meanwhile is only
 * read after the first look.
 * @returns what ends the watch
 */
export function onSilence(
  socket: { readonly bytesRead: number },
  heartbeat: Duration,
  tell: () => void,
): () => void {
  let known = -1;
  let silent = 0;
  const timer = setInterval(() => {
    silent = socket.bytesRead === known ? silent + 1 : 0;
    known = socket.bytesRead;
    if (silent === SILENT_LOOKS) tell();
  }, heartbeat / LOOKS_PER_HEARTBEAT);
  return () => clearInterval(timer);
}
