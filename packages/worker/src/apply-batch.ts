import {
  folded,
  type PresenceStore,
  type Progress,
  type RefusalReason,
  RowRefused,
  RowsLocked,
  type UserId,
} from '@presence/domain';
import { type Batch, isAwaited, type Outcome } from './batch.js';
import type { HeldEvent } from './held-delivery.js';

/** What writing some of a batch came to. */
type Written = Omit<Outcome, 'locked'>;

type Writes = Pick<PresenceStore, 'apply'>;

/** What one transaction is to commit. */
interface Lot {
  readonly events: readonly HeldEvent[];
  readonly progress: readonly Progress[];
  readonly locked: ReadonlySet<UserId>;
}

/**
 * Commits a batch. The events of users whose rows are locked, as is known or turns out, are
 * deferred, unless somebody still awaits their effect; an event that the database refuses is searched
 * for by halves and costs only itself: what else its user did is written.
 * @throws Unavailable
 */
export async function applyBatch(
  store: Writes,
  batch: Batch,
  knownLocked: ReadonlySet<UserId>,
): Promise<Outcome> {
  const locked = new Set(knownLocked);
  for (;;) {
    try {
      return { ...(await commit(store, { ...batch.toCommit(locked), locked })), locked };
    } catch (error) {
      if (!(error instanceof RowsLocked)) throw error;
      for (const userId of error.userIds) locked.add(userId);
    }
  }
}

async function commit(store: Writes, lot: Lot): Promise<Written> {
  const { events, progress, locked } = lot;
  const free = events.filter(({ userId }) => !locked.has(userId));
  const deferred = events.filter(({ userId }) => locked.has(userId));
  try {
    const awaited = free.filter(isAwaited).map(({ userId }) => userId);
    const lotOfFree = { ...folded(free), deferred, progress, awaited };
    const { unknown, ...rest } = await store.apply(lotOfFree);
    return { refused: ofUnknown(free, unknown), ...rest };
  } catch (error) {
    if (!(error instanceof RowRefused) || events.length === 0) throw error;
    if (events.length > 1) return commitHalves(store, lot);
    await store.apply({ events: [], ended: [], progress });
    const reason = `database:${error.sqlState}` as const;
    return { refused: new Map([[events[0]!, reason]]), announced: false, current: new Map() };
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
async function commitHalves(store: Writes, { events, progress, locked }: Lot): Promise<Written> {
  const sorted = events.toSorted((a, b) => a.userId - b.userId);
  const middle = Math.ceil(sorted.length / 2);
  const first = await commit(store, { events: sorted.slice(0, middle), progress: [], locked });
  const second = await commit(store, { events: sorted.slice(middle), progress, locked });
  return {
    refused: new Map([...first.refused, ...second.refused]),
    announced: first.announced || second.announced,
    current: new Map([...first.current, ...second.current]),
  };
}
