import type { Options } from 'amqplib';

/** What every message of ours bears: JSON, kept on disk, dated (AMQP counts in seconds). */
export function properties(options: Options.Publish): Options.Publish {
  return {
    ...options,
    contentType: 'application/json',
    persistent: true,
    timestamp: Math.floor(Date.now() / 1_000),
  };
}
