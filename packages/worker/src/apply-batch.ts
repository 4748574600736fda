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

/** What writing some of a batch came to. */
type Written = Omit<Outcome, 'locked'>;

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
      return { ...(await write(store, events, progress)), locked };
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
): Promise<Written> {
  try {
    const { unknown, announced } = await store.apply({ ...folded(events), progress });
    return { refused: ofUnknown(events, unknown), announced };
  } catch (error) {
    if (!(error instanceof RowRefused) || events.length === 0) throw error;
    if (events.length > 1) return writeHalves(store, events, progress);
    await store.apply({ events: [], ended: [], progress });
    const reason = `database:${error.sqlState}` as const;
    return { refused: new Map([[events[0]!, reason]]), announced: false };
  }
}

function ofUnknown(
  events: readonly HeldEvent[],
  unknown: ReadonlySet<UserId>,
): Map<HeldEvent, RefusalReason> {
  if (unknown.size === 0) return new Map();
  const theirs = events.filter(({ userId }) => unknown.has(userId));
  return new Map(theirs.map((event) => [event, 'unknown_user']));
}

/** By user, and only then by event: most often it is a row that is at fault. */
async function writeHalves(
  store: PresenceStore,
  events: readonly HeldEvent[],
  progress: readonly Progress[],
): Promise<Written> {
  const sorted = events.toSorted((a, b) => a.userId - b.userId);
  const middle = Math.ceil(sorted.length / 2);
  const first = await write(store, sorted.slice(0, middle), []);
  const second = await write(store, sorted.slice(middle), progress);
  return {
    refused: new Map([...first.refused, ...second.refused]),
    announced: first.announced || second.announced,
  };
}
