export {
  APP_LEASE,
  type AsOf,
  type AsOfPolicy,
  advanceAsOf,
  asOfPolicy,
  livePublishers,
  type Publisher,
  type Publishers,
  WORKER_LEASE,
} from './as-of.js';
export {
  type ChangeCause,
  expiryStep,
  type Shown,
  type StatusChange,
  type StatusStep,
  stepsBetween,
} from './change.js';
export {
  InvalidCursor,
  RowRefused,
  RowsLocked,
  TooManyLogins,
  Unauthenticated,
  Unavailable,
  UnknownUser,
  UsernameTaken,
} from './errors.js';
export {
  compareEvents,
  declaredStatus,
  EVENT_TYPES,
  type EventFacts,
  type EventType,
  endsSession,
  greaterEvent,
  isExplicit,
  isTransition,
  type PresenceEvent,
  type ReportedEvent,
} from './event.js';
export { Fold, folded } from './fold.js';
export type {
  AccessToken,
  LoginLimiter,
  PasswordHasher,
  TokenIssuer,
  TokenVerifier,
} from './ports/auth.js';
export type {
  CommittedStatus,
  EventPublisher,
  RefusalReason,
  Submission,
} from './ports/event-publisher.js';
export type {
  Delivery,
  DeliveryHandler,
  EventSource,
  Refusal,
  Verdict,
} from './ports/event-source.js';
export {
  type Dated,
  DEFAULT_PER_PAGE,
  type Page,
  type PageRequest,
  type PresenceReader,
  type Statistics,
  type UserFilter,
} from './ports/presence-reader.js';
export {
  type AppliedBatch,
  type ChangeOutbox,
  type ChangePublisher,
  type DeadLetterPublisher,
  type DueWork,
  type EndedSession,
  type IdentityStore,
  identityKey,
  type Newcomer,
  type PresenceBatch,
  type PresencePolicy,
  type PresenceStore,
  type RefusedEvent,
} from './ports/presence-store.js';
export type { AsOfStore, LeaseStore, Progress, Ticker } from './ports/progress.js';
export type {
  CommittedTransition,
  EndedSessionNotice,
  EndedSessions,
  NewSession,
  Rotation,
  RotationResult,
  SessionEnd,
  SessionStore,
} from './ports/session-store.js';
export type { Credentials, NewUser, UserStore } from './ports/user-store.js';
export {
  applyEvent,
  declaredPresence,
  endSession,
  isOnline,
  isSilent,
  joinPresence,
  NEVER_SEEN,
  type Presence,
  presenceOf,
  type SilencePolicy,
  setAway,
  setOffline,
  setOnline,
  updateLastSeen,
  visibleStatus,
} from './presence.js';
export { compareSessionIds, NO_SESSION, type SessionId } from './session-id.js';
export { compareStatus, isStatus, STATUSES, type Status } from './status.js';
export { type Duration, LATEST, type Millis, untilPastSecond } from './time.js';
export {
  type Identity,
  isUserId,
  type Profile,
  type User,
  type UserId,
  type UserPresence,
  type UserRef,
} from './user.js';
export {
  COMMIT_TIMEOUT,
  getOnlineUsers,
  getUserOnlineStatus,
  type StatusSet,
  setUserOnlineStatus,
  withEvent,
} from './user-management.js';
