import type {
  ChangeCause,
  Millis,
  Status,
  StatusChange,
  StatusStep,
  UserId,
} from '@presence/domain';
import type pg from 'pg';

/** A step of one user, as it goes into the outbox. */
export interface Step extends StatusStep {
  readonly userId: UserId;
}

/** A step as a row of the outbox holds it; `sweep` in presence-store.ts writes the same. */
type PackedStep = readonly [
  userId: UserId,
  from: Status,
  to: Status,
  at: Millis,
  lastSeen: Millis,
  cause: ChangeCause,
];

/** A row of the outbox. */
export interface OutboxRow {
  readonly id: number;
  readonly changeIds: string;
  readonly changes: readonly PackedStep[];
}

/** How many changes a row holds at the most. */
export const ROW_CHANGES = 1_024;

/** Puts steps into the outbox, in the order given; to be sent while their rows are locked. */
export function changeRows(steps: readonly Step[]): pg.QueryConfig[] {
  const rows: PackedStep[][] = [];
  for (let start = 0; start < steps.length; start += ROW_CHANGES) {
    rows.push(steps.slice(start, start + ROW_CHANGES).map(pack));
  }
  return rows.map((changes) => ({
    name: 'changes-insert',
    text: 'INSERT INTO presence_outbox (size, changes) VALUES ($1, $2)',
    values: [changes.length, JSON.stringify(changes)],
  }));
}

function pack({ userId, from, to, at, lastSeen, cause }: Step): PackedStep {
  return [userId, from, to, at, lastSeen, cause];
}

/** The changes of a row: the same ids and versions however often it is read. */
export function unpack({ id: rowId, changeIds, changes }: OutboxRow): StatusChange[] {
  const version = rowId * ROW_CHANGES;
  return changes.map(([userId, from, to, at, lastSeen, cause], place) => {
    const id = changeId(changeIds, place);
    return { id, userId, version: version + place, from, to, at, lastSeen, cause };
  });
}

/** The UUID of the row, its last 12 bits told apart by the place in the row. */
function changeId(changeIds: string, place: number): string {
  const bits = Number.parseInt(changeIds.slice(-3), 16) ^ place;
  return changeIds.slice(0, -3) + bits.toString(16).padStart(3, '0');
}
