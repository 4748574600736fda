import { onStopSignal } from '@presence/adapters/process';

/** Takes a while to stop, and tells of each time that it begins to. */
onStopSignal((signal) => {
  process.stdout.write(`stopping for ${signal}\n`);
  // Signals that came before the end of the input have been told by then.
  process.stdin.resume().once('end', () => setImmediate(() => process.exit(0)));
});
setInterval(() => {}, 1_000); // Alive until then.
process.stdout.write('started\n');
