import { setTimeout as delay } from 'node:timers/promises';
import { type Duration, Unavailable } from '@presence/domain';

export interface RetrySettings {
  readonly first: Duration;
  readonly longest: Duration;
  /** No further attempt is made after this long. */
  readonly giveUpAfter: Duration;
}

/**
 * Does `work` again, ever less often, while what it needs is away. The pauses are jittered so that
 * many processes do not come back at once.
 * @throws what `work` throws, if not Unavailable; Unavailable when time has run out or `signal` aborts
 */
export async function whileUnavailable<T>(
  work: () => Promise<T>,
  { first, longest, giveUpAfter }: RetrySettings,
  signal: AbortSignal,
  onRetry: (error: Unavailable) => void,
): Promise<T> {
  const begun = performance.now();
  for (let pause = first; ; pause = Math.min(pause * 2, longest)) {
    try {
      return await work();
    } catch (error) {
      if (!(error instanceof Unavailable)) throw error;
      if (signal.aborted || performance.now() - begun > giveUpAfter) throw error;
      onRetry(error);
      await pauseFor(pause * (0.5 + Math.random() / 2), signal);
      if (signal.aborted) throw error;
    }
  }
}

/** Ends early when `signal` aborts. */
async function pauseFor(duration: Duration, signal: AbortSignal): Promise<void> {
  if (signal.aborted) return;
  await delay(duration, undefined, { signal }).catch(() => {}); // An abort only shortens the pause.
}
