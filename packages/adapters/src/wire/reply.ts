import type {
  CommittedStatus,
  Delivery,
  Refusal,
  RefusalReason,
  Submission,
  Verdict,
} from '@presence/domain';
import type { ReplyJson } from './schema.js';
import { formatTime, parseTime } from './time-text.js';

/** A verdict that says what has become of a delivery for good. */
export type Settled = Extract<Verdict, { kind: 'settled' }>;

/** What a submitter is told, or `undefined` where there is nothing to tell. */
export function replyTo(settled: Settled, refusals: readonly Refusal[]): Buffer | undefined {
  if (settled.reply !== null) return encode(committed(settled.reply));
  const [first] = refusals;
  return first && encode({ outcome: 'refused', reason: first.reason });
}

/** All of a delivery that is dead-lettered: what could not be read, and what its handler refused. */
export function allRefusals(delivery: Delivery, settled: Settled): readonly Refusal[] {
  return [...new Set([...delivery.refusals, ...settled.refusals])];
}

/** @throws SyntaxError when the reply is not ours. */
export function decodeReply(body: Buffer): Submission {
  const reply = JSON.parse(body.toString('utf8')) as ReplyJson;
  if (reply.outcome === 'refused') {
    return { outcome: 'refused', reason: reply.reason as RefusalReason };
  }
  const { online_status: status, last_seen } = reply;
  const lastSeen = last_seen === null ? null : (parseTime(last_seen) ?? null);
  return { outcome: 'committed', presence: { status, lastSeen } };
}

function committed({ status, lastSeen }: CommittedStatus): ReplyJson {
  const last_seen = lastSeen === null ? null : formatTime(lastSeen);
  return { outcome: 'committed', online_status: status, last_seen };
}

function encode(reply: ReplyJson): Buffer {
  return Buffer.from(JSON.stringify(reply));
}
