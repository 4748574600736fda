/**
 * Has a signal that ends a process end it in order: a closed terminal's, too. Only the first one
 * counts. A supervisor that signals the whole group of processes, npm beside us, and Ctrl-C all
 * make two of one, and the second would cut short what the first has begun.
 */
export function onStopSignal(stop: (signal: string) => void): void {
  let told = false;
  for (const signal of ['SIGTERM', 'SIGINT', 'SIGHUP'] as const) {
    process.on(signal, () => {
      if (told) return;
      told = true;
      stop(signal);
    });
  }
}
