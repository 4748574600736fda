import type { StatusStep, UserId } from '@presence/domain';
import type pg from 'pg';
import { timestamp } from './event-row.js';

/** A step of one user, as it goes into the outbox. */
export interface Step extends StatusStep {
  readonly userId: UserId;
}

/** Puts steps into the outbox, in the order given; to be called while their rows are locked. */
export async function insertChanges(client: pg.ClientBase, steps: readonly Step[]): Promise<void> {
  if (steps.length === 0) return;
  await client.query({
    name: 'changes-insert',
    text: `
      INSERT INTO presence_changes (user_id, from_status, to_status, at, last_seen, cause)
      SELECT user_id, from_status, to_status, at, last_seen, cause
      FROM unnest($1::bigint[], $2::presence_status[], $3::presence_status[], $4::timestamptz[],
        $5::timestamptz[], $6::text[]) WITH ORDINALITY
        AS c (user_id, from_status, to_status, at, last_seen, cause, place)
      ORDER BY place`,
    values: [
      steps.map(({ userId }) => userId),
      steps.map(({ from }) => from),
      steps.map(({ to }) => to),
      steps.map(({ at }) => timestamp(at)),
      steps.map(({ lastSeen }) => timestamp(lastSeen)),
      steps.map(({ cause }) => cause),
    ],
  });
}
