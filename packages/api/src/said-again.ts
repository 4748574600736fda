import type { EventPublisher, ReportedEvent, UserId } from '@presence/domain';
import type { CallerDirectory } from './caller-directory.js';
import type { ApiMiddleware } from './context.js';

interface SaidAgainParts {
  readonly directory: Pick<CallerDirectory, 'lookUp'>;
  readonly publisher: Pick<EventPublisher, 'record'>;
}

/**
 * Where a look-up takes long, the request goes on, and its event goes out under what the token says
 * of the user. Who is new is not known by that yet, and the worker refuses it: so it is said once
 * more when he is known. Of anybody else, an event that is said twice is as good as one.
 */
export function sayingAgain({ directory, publisher }: SaidAgainParts): ApiMiddleware {
  return (ctx, next) => {
    const { caller } = ctx.state;
    const lookUp = caller && directory.lookUp(caller.token);
    if (lookUp === undefined) return next();
    return next().finally(() => {
      const event = ctx.state.presenceEvent;
      if (event !== undefined) sayAgain(event, lookUp, publisher);
    });
  };
}

/** Of the request nothing but its event is kept meanwhile. */
function sayAgain(
  { username, ...event }: ReportedEvent,
  lookUp: Promise<UserId>,
  publisher: SaidAgainParts['publisher'],
): void {
  lookUp.then(
    (user) => publisher.record({ ...event, user }),
    () => {}, // There is none, or nobody to ask: what the token says has to do.
  );
}
