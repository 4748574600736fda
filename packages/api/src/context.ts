import type { AccessToken, ReportedEvent, UserId, UserRef } from '@presence/domain';
import type Koa from 'koa';

/** Who makes a request. */
export interface Caller {
  readonly token: AccessToken;
  /** `null` for a service, which is nobody's presence. */
  readonly user: UserRef | null;
  /** `null` for a service, and for an identity that no database was there to look up. */
  readonly userId: UserId | null;
}

/** What the middlewares tell one another of a request. */
export interface ApiState {
  requestId?: string;
  /** Unset without a token. */
  caller?: Caller;
  /** The event that this request is, where it is one. */
  presenceEvent?: ReportedEvent;
  /** The template of the route that the request took. */
  route?: string;
}

export type ApiContext = Koa.ParameterizedContext<ApiState>;
export type ApiMiddleware = Koa.Middleware<ApiState>;
