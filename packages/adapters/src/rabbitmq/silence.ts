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
  const every = heartbeat / LOOKS_PER_HEARTBEAT;
  let known = -1;
  let silent = 0;
  let timer: NodeJS.Timeout;
  const look = () => {
    timer = setTimeout(look, untilLook(every));
    silent = socket.bytesRead === known ? silent + 1 : 0;
    known = socket.bytesRead;
    if (silent === SILENT_LOOKS) tell();
  };
  timer = setTimeout(look, untilLook(every));
  return () => clearTimeout(timer);
}

/**
 * Where `every` parts a second of the clock, or is one: with the ticks, which wake the process anyhow.
 * A timer that fires a little early does not look twice.
 */
function untilLook(every: Duration): Duration {
  const wait = every - (Date.now() % every);
  return wait < every / 2 ? wait + every : wait;
}
