import {
  type PresenceBatch,
  type PresenceStore,
  type RefusalReason,
  RowRefused,
  RowsLocked,
  type UserId,
} from '@presence/domain';
import type { Batch, Outcome } from './batch.js';

type Refusals = Map<UserId, RefusalReason>;

/**
 * Writes a batch, without the users known to be locked. Rows that turn out to be locked are left
 * out and told, too; a row that the database refuses is
 * searched for by halves and costs only itself.
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
      return { refused: await write(store, batch.toWrite(locked)), locked };
    } catch (error) {
      if (!(error instanceof RowsLocked)) throw error;
      for (const userId of error.userIds) locked.add(userId);
    }
  }
}

async function write(store: PresenceStore, batch: PresenceBatch): Promise<Refusals> {
  try {
    const { unknown } = await store.apply(batch);
    return new Map([...unknown].map((userId) => [userId, 'unknown_user']));
  } catch (error) {
    if (!(error instanceof RowRefused) || batch.events.length === 0) throw error;
    if (batch.events.length > 1) return writeHalves(store, batch);
    await store.apply({ events: [], ended: [], progress: batch.progress });
    return new Map([[batch.events[0]!.userId, `database:${error.sqlState}` as const]]);
  }
}

async function writeHalves(store: PresenceStore, batch: PresenceBatch): Promise<Refusals> {
  const middle = Math.ceil(batch.events.length / 2);
  const first = await write(store, { ...part(batch, 0, middle), progress: [] });
  const second = await write(store, part(batch, middle, batch.events.length));
  return new Map([...first, ...second]);
}

function part(batch: PresenceBatch, from: number, to: number): PresenceBatch {
  const events = batch.events.slice(from, to);
  const users = new Set(events.map(({ userId }) => userId));
  const ended = batch.ended.filter(({ userId }) => users.has(userId));
  return { events, ended, progress: batch.progress };
}
