import { setTimeout as wait } from 'node:timers/promises';

/**
 * Asks again and again until `check` neither throws nor answers `false`, for `within` milliseconds.
 * For what nobody announces; where there is an event, wait for the event.
 */
export async function eventually<T>(
  check: () => Promise<T> | T,
  { within = 10_000, every = 25 }: { within?: number; every?: number } = {},
): Promise<T> {
  const deadline = performance.now() + within;
  let last: unknown = new Error('The condition did not come true.');
  do {
    try {
      const value = await check();
      if (value !== false) return value;
    } catch (error) {
      last = error;
    }
    await wait(every);
  } while (performance.now() < deadline);
  throw new Error(`Not within ${within} ms: ${last instanceof Error ? last.message : last}`, {
    cause: last,
  });
}
