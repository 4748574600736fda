import type { StatusChange } from '../change.js';
import type { RowRefused } from '../errors.js';
import type { PresenceEvent } from '../event.js';
import type { SilencePolicy } from '../presence.js';
import type { SessionId } from '../session-id.js';
import type { Duration } from '../time.js';
import type { Identity, Profile, UserId } from '../user.js';
import type { CommittedStatus, RefusalReason } from './event-publisher.js';
import type { Progress } from './progress.js';

export interface EndedSession {
  readonly userId: UserId;
  readonly sessionId: SessionId;
}

/** What one transaction writes. */
export interface PresenceBatch {
  /** At most one event a user: the greatest. */
  readonly events: readonly PresenceEvent[];
  /** Sessions whose presence ends with these events. */
  readonly ended: readonly EndedSession[];
  /** Events whose rows somebody else has locked: committed now, joined when the rows are free. */
  readonly deferred?: readonly PresenceEvent[];
  /** Users whose status somebody awaits. */
  readonly awaited?: readonly UserId[];
  /** What is settled once this batch is committed. */
  readonly progress: readonly Progress[];
}

export interface AppliedBatch {
  /** Users that do not exist; nothing was written for them. */
  readonly unknown: ReadonlySet<UserId>;
  /** Whether somebody shows something else now, so that changes wait to go out. */
  readonly announced: boolean;
  /** What the rows say of those awaited, once this is committed; who does not exist is left out. */
  readonly current: ReadonlyMap<UserId, CommittedStatus>;
}

/** A deferred event that the database does not take, and why. */
export interface RefusedEvent {
  readonly event: PresenceEvent;
  readonly reason: RefusalReason;
}

/** What waits to be done that no event brings up. */
export interface DueWork {
  /** Changes wait to go out: {@link ChangeOutbox.relay}. */
  readonly changes: boolean;
  /** Events have been deferred: {@link PresenceStore.applyDeferred}. */
  readonly deferred: boolean;
  /** Some of them are refused: {@link PresenceStore.buryRefused}. */
  readonly refused: boolean;
  /** Somebody has been silent for too long: {@link PresenceStore.sweep}. */
  readonly silent: boolean;
}

/** The rows that say who is online: the write side. */
export interface PresenceStore {
  /**
   * Joins a batch into the rows: all of it or, when it throws, nothing. Applying it again, or in
   * another order with others, ends in the same rows.
   * @throws RowsLocked, RowRefused, Unavailable
   */
  apply(batch: PresenceBatch): Promise<AppliedBatch>;

  /** Those of the users whose rows somebody holds locked; never waits. */
  locked(userIds: readonly UserId[]): Promise<ReadonlySet<UserId>>;

  /** One look at all of it, for all callers alike. @throws Unavailable */
  due(): Promise<DueWork>;

  /**
   * Writes the end of silence into up to `limit` rows whose users have been silent for too long.
   * One caller does so at a time, and none sooner than `turn` after the last began: what it takes
   * of the database's time is bounded, however many workers there are.
   * @returns how many rows it wrote, fewer than `limit` when no more were due; `null` where it
   *   was not this caller's turn.
   */
  sweep(limit: number, turn: Duration): Promise<number | null>;

  /**
   * Joins what was deferred into the rows; what is of rows that still are locked stays. As-of does
   * not pass it meanwhile, nor wait for what the database refuses: {@link buryRefused}.
   * @returns how many events were joined @throws Unavailable
   */
  applyDeferred(): Promise<number>;

  /**
   * Hands up to `limit` of the deferred events that the database refuses to `bury`, and forgets them
   * once that resolves. Of any number of callers, each gets others.
   * @returns the reasons of those that are buried, fewer than `limit` when no more were there
   * @throws what `bury` throws: those will be handed out again; Unavailable
   */
  buryRefused(
    limit: number,
    bury: (refused: readonly RefusedEvent[]) => Promise<void>,
  ): Promise<readonly RefusalReason[]>;

  /** Draws together what has been noted of how many users are online; nothing that is read changes. */
  foldCounts(): Promise<void>;

  /**
   * Forgets what nothing can ask for any more (ended sessions past the refresh lifetime).
   * @returns how many, `limit` at the most
   */
  prune(limit: number): Promise<number>;
}

/** Who an event speaks of. */
export interface IdentityStore {
  /** @returns the ids of the identities that are known. */
  resolve(identities: readonly Identity[]): Promise<ReadonlyMap<string, UserId>>;

  /** @returns those of the ids that nobody has. */
  unknown(userIds: readonly UserId[]): Promise<readonly UserId[]>;

  /**
   * Adds users on first sight, or finds those that somebody else just added; all of them at once.
   * @returns their ids, or why the database does not take one
   */
  create(newcomers: readonly Newcomer[]): Promise<ReadonlyMap<string, UserId | RowRefused>>;
}

/** Somebody who is met for the first time, and what is said of them. */
export interface Newcomer {
  readonly identity: Identity;
  readonly profile: Profile;
}

/** Keys the answers of {@link IdentityStore}. */
export function identityKey({ issuer, subject }: Identity): string {
  return `${issuer}\u0000${subject}`;
}

/** Changes that are committed and still have to go out. */
export interface ChangeOutbox {
  /**
   * Hands changes to `publish`, oldest first, about `atATime` of them, and some more while it is
   * at it; forgets them once all are published. Of any number of callers one at a time gets some,
   * so each user's changes go out in order. @returns how many went out: fewer than `atATime` when
   * no more were there. @throws what `publish` throws: all of them will be handed out again.
   */
  relay(
    atATime: number,
    publish: (changes: readonly StatusChange[]) => Promise<void>,
  ): Promise<number>;

  /**
   * Drops the oldest changes where more than `most` wait to go out, so that a queue which stays
   * away does not fill the database. @returns how many were dropped
   */
  trim(most: number): Promise<number>;
}

/** Announces changes of visible status, at least once. */
export interface ChangePublisher {
  /** Resolves once the queue has confirmed all of them. @throws Unavailable */
  publish(changes: readonly StatusChange[]): Promise<void>;
}

/** Keeps events that will never be applied for whoever looks after them. */
export interface DeadLetterPublisher {
  /** Resolves once the queue has confirmed all of them, one at least. @throws Unavailable */
  publish(refused: readonly RefusedEvent[]): Promise<void>;
}

/** What the stores need to know of the rules that the configuration sets. */
export interface PresencePolicy extends SilencePolicy {
  /** How long an ended session is remembered: as long as its events can still arrive. */
  readonly rememberSessions: Duration;
  /** How long an access token is good for: as long, processes remember a session that has ended. */
  readonly accessTokenTtl: Duration;
}
