import type { Progress } from '@presence/domain';
import { UUID_PATTERN } from './schema.js';

const UUID = new RegExp(UUID_PATTERN, 'u');

/** The header as it goes on the wire: the publisher's word as an AMQP table. */
export function encodeProgress(progress: Progress): Record<string, unknown> {
  const { publisher, kind, since, from, through, last } = progress;
  return { publisher, kind, since, from, through, last };
}

/** `null` where there is none, or none that makes sense: such a publisher keeps no count. */
export function decodeProgress(header: unknown): Progress | null {
  if (typeof header !== 'object' || header === null) return null;
  const progress = header as Record<keyof Progress, unknown>;
  return isProgress(progress) ? (encodeProgress(progress) as unknown as Progress) : null;
}

function isProgress(value: Record<keyof Progress, unknown>): value is Progress & typeof value {
  const { publisher, kind, since, from, through, last } = value;
  if (typeof publisher !== 'string' || !UUID.test(publisher)) return false;
  if (kind !== 'app' && kind !== 'worker') return false;
  if (!isMoment(since) || !isMoment(from) || !isMoment(through)) return false;
  return typeof last === 'boolean' && since <= from && from < through;
}

function isMoment(value: unknown): value is number {
  return typeof value === 'number' && Number.isSafeInteger(value) && value >= 0;
}
