import {
  type EventPublisher,
  type Millis,
  NO_SESSION,
  type ReportedEvent,
  type SessionId,
  type UserRef,
} from '@presence/domain';
import type Koa from 'koa';

/** What the tracking middleware leaves in `ctx.state`. */
export interface TrackedState {
  /** The event that this request was recorded as. */
  presenceEvent?: ReportedEvent;
}

export interface TrackPresenceOptions<State> {
  readonly publisher: Pick<EventPublisher, 'record'>;
  /**
   * Who makes the request: an id of the presence service, or `{issuer, subject}` of their token;
   * `null` for nobody, and for a request that is not a person's doing. It is asked when a request
   * comes in and, where nobody was known by then, once more when it has been answered; so the
   * line may stand before or after the one that authenticates.
   */
  user(ctx: Koa.ParameterizedContext<State>): UserRef | null | undefined;
  /** The login session; with it a logout elsewhere outweighs requests that are still under way. */
  sessionId?(ctx: Koa.ParameterizedContext<State>): SessionId;
  /** With it a user that the service has not met may be added, where it is configured to. */
  username?(ctx: Koa.ParameterizedContext<State>): string | undefined;
  /**
   * Told of one of the functions above that threw, or gave what is no user, session or name: the
   * request goes on without being tracked. Without it, the first is told by a warning of the process.
   */
  onError?(error: unknown): void;
  readonly now?: () => Millis;
}

/**
 * Koa middleware that sets the user of every request online, whatever becomes of the request.
 * `app.use(trackPresence({ publisher, user: (ctx) => ctx.state.user?.id }))` is all there is to it.
 *
 * It never fails a request and never makes one wait. A request that says
 * `Presence-Mode: passive`, as background pollers do, is not a person and is left out.
 */
export function trackPresence<State extends TrackedState = TrackedState>(
  options: TrackPresenceOptions<State>,
): Koa.Middleware<State> {
  const now = options.now ?? Date.now;
  // Not async: that of `next` is promise enough for nearly all requests.
  return (ctx, next) => {
    const occurredAt = now();
    const passive = isPassive(ctx.req.headers['presence-mode']);
    if (passive || track(ctx, occurredAt, options)) return next();
    return trackAfter(next, ctx, occurredAt, options);
  };
}

let warned = false;

/** Not at every request. */
function warnOnce(error: unknown): void {
  if (warned) return;
  warned = true;
  process.emitWarning(`A request is not tracked: ${error}`, 'PresenceWarning');
}

/** Whoever authenticates may stand behind this line. */
async function trackAfter<State extends TrackedState>(
  next: Koa.Next,
  ctx: Koa.ParameterizedContext<State>,
  occurredAt: Millis,
  options: TrackPresenceOptions<State>,
): Promise<void> {
  try {
    await next();
  } finally {
    const onError = (error: unknown) =>
      options.onError ? options.onError(error) : warnOnce(error);
    if (ctx.state.presenceEvent === undefined) track(ctx, occurredAt, options, onError);
  }
}

/** Whether a request says of itself that no person is behind it. */
export function isPassive(presenceMode: string | string[] | undefined): boolean {
  return typeof presenceMode === 'string' && presenceMode.trim().toLowerCase() === 'passive';
}

/**
 * @param onError nobody, where it is tried once more
 * @returns whether there was somebody to track
 */
function track<State extends TrackedState>(
  ctx: Koa.ParameterizedContext<State>,
  occurredAt: Millis,
  options: TrackPresenceOptions<State>,
  onError?: (error: unknown) => void,
): boolean {
  try {
    const user = options.user(ctx);
    if (user === null || user === undefined) return false;
    const event = activity(user, occurredAt, options.sessionId?.(ctx), options.username?.(ctx));
    options.publisher.record(event);
    ctx.state.presenceEvent = event;
    return true;
  } catch (error) {
    onError?.(error);
    return false;
  }
}

function activity(
  user: UserRef,
  occurredAt: Millis,
  sessionId: SessionId = NO_SESSION,
  username?: string,
): ReportedEvent {
  const event = { type: 'activity', user, occurredAt, status: 'online', sessionId } as const;
  return username === undefined ? event : { ...event, username };
}
