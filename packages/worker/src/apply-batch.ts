import {
  type PresenceStore,
  type Progress,
  type RefusalReason,
  RowRefused,
  RowsLocked,
  type UserId,
} from '@presence/domain';
import { type Batch, folded, type Outcome } from './batch.js';
import type { HeldEvent } from './held-delivery.js';

type Refusals = Map<HeldEvent, RefusalReason>;

/**
 * Writes a batch, without the users known to be locked. Rows that turn out to be locked are left
 * out and told, too; an event that the database refuses is searched for by halves and costs only
 * itself: what else its user did is written.
 * @throws Unavailable
 */
export async function applyBatch(
  store: PresenceStore,
  batch: Batch,
  knownLocked: ReadonlySet<UserId>,
): Promise<Outcome> {
  const locked = new Set(knownLocked);
  for (;;) {
    try {
      const { events, progress } = batch.toWrite(locked);
      return { refused: await write(store, events, progress), locked };
    } catch (error) {
      if (!(error instanceof RowsLocked)) throw error;
      for (const userId of error.userIds) locked.add(userId);
    }
  }
}

async function write(
  store: PresenceStore,
  events: readonly HeldEvent[],
  progress: readonly Progress[],
): Promise<Refusals> {
  try {
    const { unknown } = await store.apply({ ...folded(events), progress });
    return unknown.size === 0 ? new Map() : ofUnknown(events, unknown);
  } catch (error) {
    if (!(error instanceof RowRefused) || events.length === 0) throw error;
    if (events.length > 1) return writeHalves(store, events, progress);
    await store.apply({ events: [], ended: [], progress });
    return new Map([[events[0]!, `database:${error.sqlState}` as const]]);
  }
}

function ofUnknown(events: readonly HeldEvent[], unknown: ReadonlySet<UserId>): Refusals {
  const theirs = events.filter(({ userId }) => unknown.has(userId));
  return new Map(theirs.map((event) => [event, 'unknown_user']));
}

/** By user, and only then by event: most often it is a row that is at fault. */
async function writeHalves(
  store: PresenceStore,
  events: readonly HeldEvent[],
  progress: readonly Progress[],
): Promise<Refusals> {
  const sorted = events.toSorted((a, b) => a.userId - b.userId);
  const middle = Math.ceil(sorted.length / 2);
  const first = await write(store, sorted.slice(0, middle), []);
  const second = await write(store, sorted.slice(middle), progress);
  return new Map([...first, ...second]);
}
